"""What is asked of the history, what is caught up with, and what goes in time."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from otel_job_measure.errors import HistoryError
from otel_job_measure.history import Behind, History
from otel_job_measure.history.errors import BusyHistoryError
from otel_job_measure.journal.protocols import SegmentHeader
from otel_job_measure.journal.statedir import lock
from otel_job_measure.points import DefaultTags
from otel_job_measure.testing import ManualClock
from tests.history.support import FAILED, HEADER, LOST, NOW_NS, SECOND, Lines, history_in, no_pause, piece, rows

DAY = 86_400 * SECOND


@dataclass(eq=False)
class HeldSegment:
    """A segment in memory."""

    name: str
    data: bytes
    header: SegmentHeader = HEADER

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, limit: int) -> bytes:
        cut = self.data[offset : offset + limit]
        return cut[: cut.rfind(b"\n") + 1] or self.data[offset : self.data.find(b"\n", offset) + 1]

    def delete(self) -> None:
        self.data = b""


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A history with five runs: one well, one failed, one lost, one open, and one of another job."""
    made = history_in(tmp_path)
    made.fold(
        [
            piece(
                b"".join(
                    [
                        *(Lines(uuid="well").start(NOW_NS), Lines(uuid="well").end(NOW_NS + SECOND)),
                        *(Lines(uuid="failed").start(NOW_NS + 2), Lines(uuid="failed").end(NOW_NS + SECOND, FAILED)),
                        *(Lines(uuid="lost").start(NOW_NS + 4), Lines(uuid="lost").end(NOW_NS + SECOND + 9, LOST)),
                        Lines(uuid="open").start(NOW_NS + 6),
                        Lines(uuid="other", job="hourly").start(NOW_NS + 8),
                        Lines(uuid="other", job="hourly").old_end(NOW_NS + 3 * SECOND),
                    ]
                )
            )
        ]
    )
    return made


def uuids(history: History, **wanted: object) -> list[str]:
    """Returns the ids of the latest runs."""
    return [run.uuid for run in history.latest(**{"limit": 100, **wanted})]  # type: ignore[arg-type]


def test_the_latest_runs_come_first(history: History) -> None:
    """Runs are told from the newest start on, as many as were asked for."""
    assert uuids(history) == ["other", "open", "lost", "failed", "well"]
    assert uuids(history, limit=2) == ["other", "open"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"job": "hourly"}, ["other"]),
        ({"job": "Hourly"}, []),
        ({"words": ["running"]}, ["open"]),
        ({"words": ["end"]}, ["other", "well"]),
        ({"words": ["failed"]}, ["lost", "failed"]),
        ({"words": ["lost"]}, ["lost"]),
        ({"words": ["error", "running"]}, ["open", "failed"]),
        ({"since_ns": NOW_NS + 6}, ["other", "open"]),
        ({"since_ns": NOW_NS + 2, "job": "nightly", "words": ["failed"], "limit": 1}, ["lost"]),
    ],
)
def test_runs_are_found_by_job_word_and_time(history: History, wanted: dict[str, object], expected: list[str]) -> None:
    """Each filter narrows what is found, alone and together."""
    assert uuids(history, **wanted) == expected


def test_a_run_has_what_people_call_it(history: History) -> None:
    """An open run is running; durations are as measured, else from the two times; nobody knows that of a lost one."""
    found = {run.uuid: run for run in history.latest(limit=9)}
    assert (found["open"].status, found["open"].duration_s, found["open"].ended_ns) == ("running", None, None)
    assert (found["well"].status, found["well"].duration_s) == ("end", 0.75)
    assert found["other"].duration_s == pytest.approx(3.0 - 8e-9)
    assert (found["lost"].status, found["lost"].reason, found["lost"].duration_s) == ("failed", "lost", None)
    assert (found["failed"].error_type, found["failed"].error_message) == ("ValueError", "no such file")


def test_a_run_tells_its_tags(tmp_path: Path) -> None:
    """Default tags and further ones are told by name."""
    history = history_in(tmp_path)
    tags = DefaultTags(datacenter="fra", project=None, stage=None, more=(("host.name", "web-1"),))
    history.fold([piece(Lines(uuid="a", tags=tags).start())])
    (run,) = history.latest(limit=1)
    assert (run.datacenter, run.project, run.tags) == ("fra", None, {"host.name": "web-1"})


def test_an_ending_without_its_start_counts_from_its_end(tmp_path: Path) -> None:
    """A run whose start is not known is told at the place of its end."""
    history = history_in(tmp_path)
    history.fold(
        [piece(Lines(uuid="a").start(NOW_NS) + Lines(uuid="b").end(NOW_NS + 1) + Lines(uuid="c").start(NOW_NS + 2))]
    )
    assert uuids(history) == ["c", "b", "a"]
    assert uuids(history, since_ns=NOW_NS + 1) == ["c", "b"]


def test_there_may_be_no_history_yet(tmp_path: Path) -> None:
    """A question makes no file, and its answer is empty."""
    history = history_in(tmp_path / "state")
    assert history.latest(limit=1) == []
    assert history.catch_up([]) == Behind()
    assert list((tmp_path / "state").iterdir()) == []


def test_a_large_piece_takes_many_transactions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each has its part of the segment, and all runs are in at the end."""
    caplog.set_level(logging.DEBUG, "otel_job_measure")
    data = b"".join(
        Lines(uuid=f"run-{number}").start(NOW_NS + number) + Lines(uuid=f"run-{number}").end(NOW_NS + SECOND + number)
        for number in range(2000)
    )
    history = history_in(tmp_path)
    history.fold([piece(data)])
    assert rows(history.path, "SELECT count(*) AS n FROM runs WHERE settled = 1") == [{"n": 2000}]
    assert history.positions() == {"local-1.lp": len(data)}
    assert len([record for record in caplog.records if "are in the history" in record.message]) > 2


def test_what_came_before_a_held_lock_stays_in(tmp_path: Path) -> None:
    """A fold that is cut short goes on from where it was, when the same pieces come again."""
    held: list[int] = []

    class LockingClock(ManualClock):
        """Is asked after each transaction how long it took; another process is then quicker than the next one."""

        def monotonic_ns(self) -> int:
            if (tmp_path / "history.db").exists() and not held:
                held.append(lock(tmp_path / "history.lock") or -1)
            return ManualClock.monotonic_ns(self)

    data = b"".join(Lines(uuid=f"run-{number}").start(NOW_NS + number) for number in range(2000))
    history = history_in(tmp_path, LockingClock(wall=NOW_NS))
    with pytest.raises(BusyHistoryError):
        history.fold([piece(data)])
    os.close(held[0])
    position = history.positions()["local-1.lp"]
    assert 0 < position < len(data)
    history.fold([piece(data)])
    assert history.positions() == {"local-1.lp": len(data)}
    assert rows(history.path, "SELECT count(*) AS n FROM runs") == [{"n": 2000}]


def test_catching_up_folds_all_that_segments_hold(tmp_path: Path) -> None:
    """Nothing is behind afterwards, and a second time there is nothing to do."""
    segments = [
        HeldSegment(str(number), b"# header\n" + Lines(uuid=f"run-{number}").start(NOW_NS + number))
        for number in range(300)
    ]
    history = history_in(tmp_path)
    assert history.catch_up(segments) == Behind()
    assert len(uuids(history, limit=1000)) == 300
    segments[0].data += Lines(uuid="run-0").end()
    assert history_in(tmp_path).catch_up(segments) == Behind()
    assert uuids(history, words=["end"]) == ["run-0"]


def test_a_command_says_how_much_it_could_not_fold(tmp_path: Path) -> None:
    """With the lock held for longer than it has time, the points that are not in are counted, comments are not."""
    clock = ManualClock(wall=NOW_NS)
    history = History(tmp_path / "history.db", retention_s=1e9, clock=clock, pause=clock.advance)
    data = b"# header\n" + Lines(uuid="a").start() + Lines(uuid="a").end() + b"# alive 1\n"
    held = lock(tmp_path / "history.lock")
    assert held is not None
    try:
        behind = history.catch_up([HeldSegment("one", data)], within_s=2)
        assert (behind.bytes, behind.points) == (len(data), 3)
        assert "in use by another process" in behind.why
        assert clock.monotonic_ns() == pytest.approx(2 * SECOND, rel=0.01)
        assert history.catch_up([HeldSegment("two", b"# header\n")], within_s=0) == Behind()
    finally:
        os.close(held)
    assert history.catch_up([HeldSegment("one", data)]) == Behind()


def test_a_command_waits_until_another_process_is_done(tmp_path: Path) -> None:
    """People have patience: a lock that is freed while they wait costs nothing but that."""
    history_in(tmp_path).fold([piece(Lines(uuid="a").start())])
    held = lock(tmp_path / "history.lock")
    assert held is not None
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            os.close(held)

    history = History(tmp_path / "history.db", retention_s=1e9, clock=ManualClock(wall=NOW_NS), pause=pause)
    assert uuids(history) == ["a"]
    assert len(waits) == 3


def test_a_question_does_not_wait_for_ever(tmp_path: Path) -> None:
    """When the time is over the answer is an error that says why."""
    clock = ManualClock(wall=NOW_NS)
    history_in(tmp_path).fold([piece(Lines(uuid="a").start())])
    history = History(tmp_path / "history.db", retention_s=1e9, clock=clock, pause=clock.advance)
    held = lock(tmp_path / "history.lock")
    assert held is not None
    try:
        with pytest.raises(BusyHistoryError):
            history.latest(limit=1)
    finally:
        os.close(held)


def test_catching_up_stops_when_its_time_is_over(tmp_path: Path) -> None:
    """A backlog of hours is not folded while somebody waits for a table; the rest is told."""

    class QuickClock(ManualClock):
        def monotonic_ns(self) -> int:
            self.advance(0.4)
            return ManualClock.monotonic_ns(self)

    line = Lines(uuid="a").start()
    segments = [HeldSegment(str(number), line * (1024 * 1024 // len(line) + 1)) for number in range(3)]
    history = History(tmp_path / "history.db", retention_s=1e9, clock=QuickClock(wall=NOW_NS), pause=no_pause)
    behind = history.catch_up(segments, within_s=2)
    assert 0 < behind.points < 3 * len(segments[0].data) // len(line) + 1
    assert behind.why == "it takes more than 2 s"


@pytest.mark.parametrize("when", ["before", "on the way"])
def test_a_history_that_is_damaged_is_made_anew_from_what_is_there(
    tmp_path: Path, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Segments that are still there are folded again from their beginning, and the old file is kept."""
    one = Lines(uuid="one").start(NOW_NS) + Lines(uuid="two").start(NOW_NS + 1)
    two = Lines(uuid="one").end()
    history = history_in(tmp_path)
    history.fold([piece(one, "segment")])
    history.path.write_bytes(b"no database" * 1000)
    if when == "before":
        history = history_in(tmp_path)
    else:
        history.fold([piece(two, "segment", len(one))])
        assert [run.uuid for run in history.latest(limit=9)] == ["one"]
    assert history.catch_up([HeldSegment("segment", one + two)]) == Behind()
    assert [(run.uuid, run.status) for run in history.latest(limit=9)] == [("two", "running"), ("one", "end")]
    assert len(list(tmp_path.glob("history.db.corrupt-*"))) == 1
    assert "was damaged" in caplog.text


def test_old_runs_go_a_few_at_a_time(tmp_path: Path) -> None:
    """Runs that ended before the retention go with the folding, open ones by their start, others stay."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=DAY / SECOND)
    old = NOW_NS - 2 * DAY
    data = b"".join(
        Lines(uuid=f"old-{number}").start(old + number) + Lines(uuid=f"old-{number}").end(old + SECOND + number)
        for number in range(700)
    )
    kept = Lines(uuid="long").start(old) + Lines(uuid="long").end(NOW_NS) + Lines(uuid="open").start(NOW_NS)
    history.fold([piece(data + Lines(uuid="old open").start(old) + kept)])
    assert uuids(history, limit=1000) == ["open", "long"]
    history.fold([piece(Lines(uuid="old again").start(old), "two")])
    assert "old again" in uuids(history)
    clock.advance(601)
    history.fold([piece(Lines(uuid="new").start(NOW_NS + 1), "three")])
    assert uuids(history) == ["new", "open", "long"]


def test_segments_that_nobody_spoke_of_are_forgotten_in_time(tmp_path: Path) -> None:
    """What a process that was killed could not delete does not stay for ever."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=DAY / SECOND)
    history.fold([piece(Lines(uuid="a").start(), "of the dead")])
    clock.advance(2 * DAY / SECOND)
    history.fold([piece(Lines(uuid="b").start(clock.wall_ns()), "of the living")])
    assert set(history.positions()) == {"of the living"}


def test_pruning_that_finds_the_lock_held_waits_for_another_time(tmp_path: Path) -> None:
    """The points are in all the same."""
    held: list[int | None] = []
    history = History(
        tmp_path / "history.db",
        retention_s=DAY / SECOND,
        clock=ManualClock(wall=NOW_NS),
        pause=lambda _seconds: held.append(lock(tmp_path / "history.lock")),
    )
    old = Lines(uuid="old").start(NOW_NS - 2 * DAY)
    history.fold([piece(old)])
    assert len(held) == 1
    assert held[0] is not None
    os.close(held[0])
    assert uuids(history) == []


def test_an_error_says_what_is_wrong(tmp_path: Path) -> None:
    """A history that cannot be read raises one error with its path."""
    history = history_in(tmp_path)
    (tmp_path / "history.db").mkdir()
    with pytest.raises(HistoryError, match=r"history\.db cannot be used"):
        history.latest(limit=1)
    behind = history.catch_up([HeldSegment("one", Lines(uuid="a").start())])
    assert behind.points == 1
    assert "cannot be used" in behind.why
