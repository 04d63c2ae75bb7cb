"""What is older than the retention goes, with the folding, a little at a time."""

from pathlib import Path

from otel_job_measure.history.history import History
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.testing import ManualClock
from tests.history.support import DAY, NOW_NS, SECOND, Lines, chunk, history_in, uuids


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
    history.fold([chunk(data + Lines(uuid="old open").start(old) + kept)])
    assert uuids(history, limit=1000) == ["open", "long"]
    history.fold([chunk(Lines(uuid="old again").start(old), "two")])
    assert "old again" in uuids(history)
    clock.advance(601)
    history.fold([chunk(Lines(uuid="new").start(NOW_NS + 1), "three")])
    assert uuids(history) == ["new", "open", "long"]


def test_segments_that_nobody_spoke_of_are_forgotten_in_time(tmp_path: Path) -> None:
    """What a process that was killed could not delete does not stay for ever."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=DAY / SECOND)
    history.fold([chunk(Lines(uuid="a").start(), "of the dead")])
    clock.advance(2 * DAY / SECOND)
    history.fold([chunk(Lines(uuid="b").start(clock.wall_ns()), "of the living")])
    assert set(history.positions()) == {"of the living"}


def test_pruning_that_finds_the_lock_held_waits_for_another_time(tmp_path: Path) -> None:
    """The points are in all the same."""
    held: list[Lock | None] = []
    history = History(
        tmp_path / "history.db",
        retention_s=DAY / SECOND,
        clock=ManualClock(wall=NOW_NS),
        pause=lambda _seconds: held.append(lock(tmp_path / "history.lock")),
    )
    old = Lines(uuid="old").start(NOW_NS - 2 * DAY)
    history.fold([chunk(old)])
    assert len(held) == 1
    assert held[0] is not None
    held[0].release()
    assert uuids(history) == []


def test_a_great_many_old_runs_do_not_hold_up_the_shipper(tmp_path: Path) -> None:
    """A part of them goes each time, with a pause between two transactions for a fork that waits."""
    waits: list[float] = []
    history = History(
        tmp_path / "history.db", retention_s=DAY / SECOND, clock=ManualClock(wall=NOW_NS), pause=waits.append
    )
    old = NOW_NS - 2 * DAY
    history.fold([chunk(b"".join(Lines(uuid=f"run-{number}").start(old + number) for number in range(5000)))])
    left = len(history.latest(limit=10_000))
    assert 0 < left < 5000
    assert len(waits) == 20
    history.fold([chunk(Lines(uuid="new").start(NOW_NS), "two")])
    assert uuids(history, limit=10_000) == ["new"]
