"""Runs older than the retention go a few at a time; each job's last run and last success stay."""

import json
from pathlib import Path

import pytest

from otel_job_measure.history.history import History
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.journal.kept_output import KeptOutput, encode
from otel_job_measure.testing import ManualClock
from tests.history.support import DAY, FAILED, NOW_NS, SECOND, Lines, chunk, history_in, no_pause, rows, uuids

_HOUR = 3600 * SECOND
_RETENTION_S = DAY / SECOND


def _whole(uuid: str, at_ns: int, job: str = "nightly") -> bytes:
    """Returns the lines of a run that took a second."""
    return Lines(uuid=uuid, job=job).start(at_ns) + Lines(uuid=uuid, job=job).end(at_ns + SECOND)


def _steady(from_ns: int, until_ns: int, *, every_ns: int = 6 * _HOUR, job: str = "steady") -> bytes:
    """Returns runs of a job that runs every few hours: they bear out the time in between."""
    return b"".join(_whole(f"s{at_ns}", at_ns, job) for at_ns in range(from_ns, until_ns + 1, every_ns))


def _left(history: History) -> list[str]:
    """Returns the runs that are left, without those of the steady job."""
    return [uuid for uuid in uuids(history, limit=100_000) if uuid[0] != "s"]


def _pruned(history: History, clock: ManualClock, data: bytes, segment: str) -> None:
    """Ingests lines a quarter of an hour later, until nothing more is pruned."""
    clock.advance(900)
    history.fold([chunk(data, segment)])
    for number in range(10):
        history.fold(
            [chunk(_whole(f"s-{segment}-{number}", clock.wall_ns() + number, "steady"), f"{segment}-{number}")]
        )


def test_old_runs_go_a_few_at_a_time(tmp_path: Path) -> None:
    """Runs that ended before the retention go with the ingest, open ones by their start; the others stay."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=_RETENTION_S)
    old = NOW_NS - 2 * DAY
    data = b"".join(_whole(f"old-{number}", old + number * SECOND) for number in range(700))
    open_one = Lines(uuid="open", job="other").start(old) + Lines(uuid="open too", job="other").start(NOW_NS)
    long = Lines(uuid="long").start(old) + Lines(uuid="long").end(NOW_NS)
    history.fold([chunk(data + open_one + long + _steady(old, NOW_NS))])
    assert _left(history) == ["open too", "old-699", "long"]
    assert rows(history.path, "SELECT count(*) AS n FROM pruning") == [{"n": 0}]


def test_the_last_run_and_the_last_success_of_each_job_stay(tmp_path: Path) -> None:
    """However old they are; an older one goes as soon as the job has a newer one, whatever its age."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=_RETENTION_S)
    old = NOW_NS - 9 * DAY
    failing = Lines(uuid="failed", job="failing")
    history.fold(
        [
            chunk(
                _whole("first", old)
                + _whole("last", old + SECOND)
                + _whole("good", old, "failing")
                + failing.start(old + 2 * SECOND)
                + failing.end(old + 3 * SECOND, FAILED)
                + _steady(old, NOW_NS)
            )
        ]
    )
    assert _left(history) == ["failed", "last", "good"]
    _pruned(history, clock, _whole("newer", clock.wall_ns()), "two")
    assert _left(history) == ["newer", "failed", "good"]


def test_a_commands_output_goes_with_its_run(tmp_path: Path) -> None:
    """Those of the last run stay as long as it."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=_RETENTION_S)
    data = b""
    for number, uuid in enumerate(("first", "last")):
        at_ns = NOW_NS - 9 * DAY + number
        data += Lines(uuid=uuid).start(at_ns) + Lines(uuid=uuid).end(at_ns + SECOND, FAILED)
        data += encode(KeptOutput(uuid, at_ns + SECOND, "stdout", uuid.encode()))
    history.fold([chunk(data + _steady(NOW_NS - 9 * DAY, NOW_NS))])
    assert _left(history) == ["last"]
    assert rows(history.path, "SELECT stream, data FROM output") == [{"stream": "stdout", "data": b"last"}]
    assert history.output("last") == {"stdout": b"last"}


def test_a_job_is_its_name_project_and_stage(tmp_path: Path) -> None:
    """Other tags do not make another job: a name of a pod in them would keep a run for each pod."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=_RETENTION_S)
    old = NOW_NS - 9 * DAY
    data = b"".join(
        b'scheduling-job,job=j,host.name=pod%d,stage=%b uuid="%b%d",status="start" %d\n'
        % (pod, stage, stage, pod, old + pod)
        for stage in (b"one", b"two")
        for pod in range(9)
    )
    history.fold([chunk(data + _steady(old, NOW_NS))])
    assert sorted(uuid for uuid in uuids(history, limit=1000) if uuid[0] != "s") == ["one8", "two8"]


@pytest.mark.parametrize("runs", [1, 50])
@pytest.mark.parametrize("ahead", [40 * DAY, 3650 * DAY])
def test_a_clock_that_was_ahead_prunes_nothing(
    tmp_path: Path, ahead: int, runs: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither while it is wrong nor when it is right again; the history says so once, each way."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock)
    history.fold([chunk(_steady(NOW_NS - 29 * DAY, NOW_NS) + _whole("before", NOW_NS - 29 * DAY))])
    count = len(uuids(history, limit=1000))
    for number in range(runs):
        clock.wall = NOW_NS + ahead + number * 900 * SECOND
        _pruned(history, clock, _whole(f"wrong-{number}", clock.wall_ns()), f"wrong-{number}")
    clock.wall = NOW_NS + _HOUR
    _pruned(history, clock, _whole("right", clock.wall_ns()), "right")
    assert len(uuids(history, limit=10_000)) == count + 11 * runs + 11
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(" ")[3] for text in told] == ["no", "runs"], told


def test_a_clock_that_is_ahead_again_and_again_prunes_nothing(tmp_path: Path) -> None:
    """Each wrong time is another one: no time but a steady one counts."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock)
    history.fold([chunk(_whole("before", NOW_NS - 2 * DAY) + _steady(NOW_NS - 3 * DAY, NOW_NS))])
    for year in range(1, 20):
        clock.wall = NOW_NS + year * 365 * DAY
        _pruned(history, clock, _whole(f"wrong-{year}", clock.wall_ns()), f"wrong-{year}")
    clock.wall = NOW_NS
    _pruned(history, clock, _whole("right", clock.wall_ns()), "right")
    assert {"before", "right", "wrong-1"} <= set(_left(history))


def test_a_clock_that_is_years_behind_prunes_nothing(tmp_path: Path) -> None:
    """A machine without a clock begins in 1970: its runs of then stay as long as others that came with them."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=_RETENTION_S)
    history.fold([chunk(_whole("before", NOW_NS - 2 * _HOUR) + _steady(NOW_NS - 2 * DAY, NOW_NS))])
    clock.wall = 60 * SECOND
    _pruned(history, clock, _whole("boot", clock.wall_ns()) + _whole("boot too", clock.wall_ns() + SECOND), "boot")
    clock.wall = NOW_NS + _HOUR
    _pruned(history, clock, _whole("right", clock.wall_ns()), "right")
    assert set(_left(history)) == {"before", "boot", "boot too", "right"}
    clock.advance(2 * DAY / SECOND)
    _pruned(history, clock, _whole("later", clock.wall_ns()) + _steady(NOW_NS, clock.wall_ns()), "later")
    assert _left(history) == ["later"]


def test_a_run_at_the_begin_of_all_times_stops_nothing(tmp_path: Path) -> None:
    """A span that the app opened can have any start; no time before it can be looked for."""
    history = history_in(tmp_path)
    history.fold([chunk(Lines(uuid="a").start(-(2**63) + SECOND) + Lines(uuid="b").start(NOW_NS))])
    assert uuids(history) == ["b", "a"]


def test_after_a_long_pause_old_runs_go_once_the_new_ones_span_the_retention(tmp_path: Path) -> None:
    """A machine that was switched off for months looks like a wrong clock, until its runs tell."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=_RETENTION_S)
    history.fold([chunk(_steady(NOW_NS - DAY // 2, NOW_NS) + _whole("old", NOW_NS) + _whole("old too", NOW_NS + 1))])
    clock.wall = NOW_NS + 90 * DAY
    _pruned(history, clock, _whole("new", clock.wall_ns()), "two")
    assert set(_left(history)) == {"old", "old too", "new"}
    clock.advance(DAY / SECOND)
    _pruned(history, clock, _steady(NOW_NS + 90 * DAY, clock.wall_ns()), "three")
    assert _left(history) == ["new"]


def test_notes_about_segments_are_forgotten_in_time(tmp_path: Path) -> None:
    """The note about a segment that a killed process could not delete does not stay for ever."""
    clock = ManualClock(wall=NOW_NS)
    history = history_in(tmp_path, clock, retention_s=_RETENTION_S)
    history.fold([chunk(Lines(uuid="a").start(), "of the dead")])
    clock.advance(2 * DAY / SECOND)
    history.fold([chunk(_steady(NOW_NS, clock.wall_ns()), "of the living")])
    assert set(history.positions()) == {"of the living"}


def test_pruning_that_finds_the_lock_held_waits_for_another_time(tmp_path: Path) -> None:
    """The points are in all the same."""
    held: list[Lock | None] = []
    history = History(
        tmp_path / "history.db",
        retention_s=_RETENTION_S,
        clock=ManualClock(wall=NOW_NS),
        pause=lambda _seconds: held.append(lock(tmp_path / "history.lock")),
    )
    old = NOW_NS - 2 * DAY
    old_runs = b"".join(_whole(f"old-{number}", old + number) for number in range(300))
    history.fold([chunk(old_runs + _steady(old, NOW_NS))])
    assert len(held) == 1
    assert held[0] is not None
    held[0].release()
    assert 0 < len(_left(history)) < 300


def test_a_great_many_old_runs_do_not_hold_up_the_shipper(tmp_path: Path) -> None:
    """A part of them goes each time, with a pause between two transactions for a fork that waits."""
    waits: list[float] = []
    history = History(
        tmp_path / "history.db", retention_s=_RETENTION_S, clock=ManualClock(wall=NOW_NS), pause=waits.append
    )
    old = NOW_NS - 2 * DAY
    runs = b"".join(Lines(uuid=f"run-{number}").start(old + number) for number in range(5000))
    history.fold([chunk(runs + _steady(old, NOW_NS))])
    assert 0 < len(_left(history)) < 5000
    assert len(waits) == 20
    history.fold([chunk(_whole("new", NOW_NS), "two")])
    assert _left(history) == ["new"]


def test_runs_that_stay_are_not_looked_at_first_each_time(tmp_path: Path) -> None:
    """Each process goes on where the last one stopped, so ten thousand jobs' last runs hold up no pruning."""
    clock = ManualClock(wall=NOW_NS)
    old = NOW_NS - 9 * DAY
    last = b"".join(_whole(f"last-{number:05}", old + number, f"job-{number}") for number in range(6000))
    history_in(tmp_path, clock, retention_s=_RETENTION_S).fold([chunk(last + _steady(old, NOW_NS))])
    more = b"".join(_whole(f"more-{number}", old + DAY + number) for number in range(300))
    # Each of these prunes at most 4,000 runs, as a short command does.
    for number in range(4):
        history = History(tmp_path / "history.db", retention_s=_RETENTION_S, clock=clock, pause=no_pause)
        history.fold([chunk((more if number == 0 else b"") + _whole(f"s-n{number}", NOW_NS + number), f"n-{number}")])
    # The runs in `more` came after young ones: a day later they are old themselves.
    clock.advance(2 * DAY / SECOND)
    for number in range(4):
        history = History(tmp_path / "history.db", retention_s=_RETENTION_S, clock=clock, pause=no_pause)
        history.fold([chunk(_steady(NOW_NS, clock.wall_ns()) + _whole(f"s-m{number}", NOW_NS + number), f"m-{number}")])
    left = _left(history_in(tmp_path, clock))
    assert len([uuid for uuid in left if uuid.startswith("last-")]) == 6000
    assert [uuid for uuid in left if uuid.startswith("more-")] == []


def test_each_question_of_pruning_is_answered_by_an_index(tmp_path: Path) -> None:
    """A transaction looks at as many runs as it may delete, however many there are."""
    from otel_job_measure.history import pruning  # noqa: PLC0415 - its statements

    history = history_in(tmp_path)
    history.fold([chunk(_whole("a", NOW_NS))])
    statements = [
        *(pruning._OLD.format(column=column) for column in pruning._PASSES),
        *(pruning._DELETE.format(condition=condition) for condition in pruning._PASSES.values()),
        pruning._NEWEST,
        pruning._OLDEST,
    ]
    values = {"at_ns": 0, "id": 0, "old_ns": 1, "n": 1, "ns": 1}
    for statement in statements:
        bound: object = (1, 1) if "?" in statement else values
        plan = rows(history.path, f"EXPLAIN QUERY PLAN {statement}", bound)  # type: ignore[arg-type]
        details = [row["detail"] for row in plan]
        assert not any(text.startswith("SCAN runs") or "TEMP B-TREE" in text for text in details), json.dumps(details)
