"""Catching up: commands fold what there is, wait a little, and say what is missing."""

from pathlib import Path

import pytest

from otel_job_measure.errors import BusyHistoryError
from otel_job_measure.history.history import Behind, History
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.testing import ManualClock
from tests.history.support import NOW_NS, SECOND, HeldSegment, Lines, chunk, history_in, no_pause, uuids


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
        held.release()
    assert history.catch_up([HeldSegment("one", data)]) == Behind()


def test_a_command_waits_until_another_process_is_done(tmp_path: Path) -> None:
    """People have patience: a lock that is freed while they wait costs nothing but that."""
    history_in(tmp_path).fold([chunk(Lines(uuid="a").start())])
    held = lock(tmp_path / "history.lock")
    assert held is not None
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            held.release()

    history = History(tmp_path / "history.db", retention_s=1e9, clock=ManualClock(wall=NOW_NS), pause=pause)
    assert uuids(history) == ["a"]
    assert len(waits) == 3


def test_a_question_does_not_wait_for_ever(tmp_path: Path) -> None:
    """When the time is over the answer is an error that says why."""
    clock = ManualClock(wall=NOW_NS)
    history_in(tmp_path).fold([chunk(Lines(uuid="a").start())])
    history = History(tmp_path / "history.db", retention_s=1e9, clock=clock, pause=clock.advance)
    held = lock(tmp_path / "history.lock")
    assert held is not None
    try:
        with pytest.raises(BusyHistoryError):
            history.latest(limit=1)
    finally:
        held.release()


def test_catching_up_stops_when_its_time_is_over(tmp_path: Path) -> None:
    """A backlog of hours is not ingested while a user waits for a table; the table says what is missing."""

    class QuickClock(ManualClock):
        def monotonic_ns(self) -> int:
            self.advance(0.4)
            return ManualClock.monotonic_ns(self)

    line = Lines(uuid="a").start()
    segments = [HeldSegment(str(number), line * (1024 * 1024 // len(line) + 1)) for number in range(12)]
    history = History(tmp_path / "history.db", retention_s=1e9, clock=QuickClock(wall=NOW_NS), pause=no_pause)
    behind = history.catch_up(segments, within_s=2)
    assert 0 < behind.points < 12 * len(segments[0].data) // len(line) + 1
    assert behind.why == "it takes more than 2 s"


@pytest.mark.parametrize("when", ["before", "on the way"])
def test_a_history_that_is_damaged_is_made_anew_from_what_is_there(
    tmp_path: Path, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Segments that are still there are folded again from their beginning, and the old file is kept."""
    one = Lines(uuid="one").start(NOW_NS) + Lines(uuid="two").start(NOW_NS + 1)
    two = Lines(uuid="one").end()
    history = history_in(tmp_path)
    history.fold([chunk(one, "segment")])
    history.path.write_bytes(b"no database" * 1000)
    if when == "before":
        history = history_in(tmp_path)
    else:
        history.fold([chunk(two, "segment", len(one))])
        assert [run.uuid for run in history.latest(limit=9)] == ["one"]
    assert history.catch_up([HeldSegment("segment", one + two)]) == Behind()
    assert [(run.uuid, run.status) for run in history.latest(limit=9)] == [("two", "running"), ("one", "end")]
    assert len(list(tmp_path.glob("history.db.corrupt-*Z"))) == 1
    assert "was damaged" in caplog.text
