"""What is asked of the history, what is caught up with, and what goes in time."""

import logging
from pathlib import Path

import pytest

from otel_job_measure.errors import BusyHistoryError, HistoryError
from otel_job_measure.history.history import Behind, History
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.testing import ManualClock
from tests.history.support import FAILED, LOST, NOW_NS, SECOND, HeldSegment, Lines, chunk, history_in, rows, uuids


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A history with five runs: one well, one failed, one lost, one open, and one of another job."""
    made = history_in(tmp_path)
    made.fold(
        [
            chunk(
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
    """An open run is running; durations are as measured, else from the two times; a lost run has none."""
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
    history.fold([chunk(Lines(uuid="a", tags=tags).start())])
    (run,) = history.latest(limit=1)
    assert (run.datacenter, run.project, run.tags) == ("fra", None, {"host.name": "web-1"})


def test_an_ending_without_its_start_counts_from_its_end(tmp_path: Path) -> None:
    """A run whose start is not known is told at the place of its end."""
    history = history_in(tmp_path)
    history.fold(
        [chunk(Lines(uuid="a").start(NOW_NS) + Lines(uuid="b").end(NOW_NS + 1) + Lines(uuid="c").start(NOW_NS + 2))]
    )
    assert uuids(history) == ["c", "b", "a"]
    assert uuids(history, since_ns=NOW_NS + 1) == ["c", "b"]


def test_there_may_be_no_history_yet(tmp_path: Path) -> None:
    """A question makes no file, and its answer is empty."""
    history = history_in(tmp_path / "state")
    assert history.latest(limit=1) == []
    assert history.catch_up([]) == Behind()
    assert list((tmp_path / "state").iterdir()) == []


def test_a_large_chunk_takes_many_transactions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each has its part of the segment, and all runs are in at the end."""
    caplog.set_level(logging.DEBUG, "otel_job_measure")
    data = b"".join(
        Lines(uuid=f"run-{number}").start(NOW_NS + number) + Lines(uuid=f"run-{number}").end(NOW_NS + SECOND + number)
        for number in range(2000)
    )
    history = history_in(tmp_path)
    history.fold([chunk(data)])
    assert rows(history.path, "SELECT count(*) AS n FROM runs WHERE settled = 1") == [{"n": 2000}]
    assert history.positions() == {"local-1.lp": len(data)}
    assert len([record for record in caplog.records if "are in the history" in record.message]) > 2


def test_what_came_before_a_held_lock_stays_in(tmp_path: Path) -> None:
    """A fold that is cut short goes on from where it was, when the same chunks come again."""
    held: list[Lock] = []

    class LockingClock(ManualClock):
        """Is asked between two transactions; another process takes the lock there."""

        def monotonic_ns(self) -> int:
            if (tmp_path / "history.db").exists() and not held:
                taken = lock(tmp_path / "history.lock")
                held.extend([] if taken is None else [taken])
            return ManualClock.monotonic_ns(self)

    data = b"".join(Lines(uuid=f"run-{number}").start(NOW_NS + number) for number in range(2000))
    history = history_in(tmp_path, LockingClock(wall=NOW_NS))
    with pytest.raises(BusyHistoryError):
        history.fold([chunk(data)])
    held[0].release()
    position = history.positions()["local-1.lp"]
    assert 0 < position < len(data)
    history.fold([chunk(data)])
    assert history.positions() == {"local-1.lp": len(data)}
    assert rows(history.path, "SELECT count(*) AS n FROM runs") == [{"n": 2000}]


def test_an_error_says_what_is_wrong(tmp_path: Path) -> None:
    """A history that cannot be read raises one error with its path."""
    history = history_in(tmp_path)
    (tmp_path / "history.db").mkdir()
    with pytest.raises(HistoryError, match=r"history\.db cannot be used"):
        history.latest(limit=1)
    behind = history.catch_up([HeldSegment("one", Lines(uuid="a").start())])
    assert behind.points == 1
    assert "cannot be used" in behind.why
