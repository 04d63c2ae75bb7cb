"""The open runs of a killed process end as lost, once, at times that no other point has."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.recovery import close_runs, read_runs, recover_slots
from otel_job_measure.journal.segment import SegmentFile
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.line_protocol import Point
from otel_job_measure.points.rows import Series, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.testing import ManualClock
from tests.journal.support import IDENTITY, TAGS, begin, ending, finish, journal_in, points_in, statuses
from tests.journal.test_journal import segment_of


def killed(folder: Path, open_runs: int, *, torn: bytes = b"") -> None:
    """Lets a process begin runs, end one, and be killed."""
    pid = os.fork()
    if pid == 0:
        journal = journal_in(folder)
        finish(journal, begin(journal, "ended"), "ended")
        for _ in range(open_runs):
            begin(journal)
        if torn:
            with segment_of(journal).path.open("ab") as file:
                file.write(torn)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def adopt_all(folder: Path, clock: ManualClock | None = None, boot_id: str = IDENTITY.boot_id) -> int:
    """Adopts as a shipper does."""
    state = StateDir(folder)
    with state.adopting() as held:
        assert held
        return recover_slots(state, clock=clock or SystemClock(), boot_id=boot_id)


def closed(path: Path) -> int:
    """Closes the runs of one segment, and returns how many are lost."""
    segment = SegmentFile.open(path)
    return close_runs(segment, read_runs(segment))


def lost(folder: Path) -> list[Point]:
    """Returns the run rows of lost runs."""
    return [point for point in points_in(folder) if dict(point.tags).get("reason") == "lost"]


@pytest.mark.parametrize("torn", [b"", b"scheduling-job,job=x status=", b'scheduling-job,job=x status="end",uuid="u'])
def test_sixteen_runs_of_one_job_are_lost_once_each(tmp_path: Path, torn: bytes) -> None:
    """Sixteen rows with sixteen times, also where the last line was being written, and a second look adds nothing."""
    killed(tmp_path, 16, torn=torn)
    assert adopt_all(tmp_path) == 16
    assert adopt_all(tmp_path) == 0
    rows = lost(tmp_path)
    assert len(rows) == len({row.fields["uuid"] for row in rows}) == len({row.time_ns for row in rows}) == 16
    for row in rows:
        assert row.fields["success"] == 0.0
        assert row.fields["host"] == "host-1"
        assert not {"duration", "trace_id", "span_id"} & set(row.fields)
        assert dict(row.tags)["k8s.namespace.name"] == "a b,c=d"
    found = statuses(points_in(tmp_path))
    assert sorted(found.values()) == [["start", "end"], *[["start", "failed"]] * 16]
    assert {path.parent.name for path in tmp_path.rglob("*.lp")} == {"ready"}


def test_lost_runs_get_times_that_no_other_point_has(tmp_path: Path) -> None:
    """Even beside the runs of other processes that go on in the same state directory."""
    killed(tmp_path, 8)
    killed(tmp_path, 8)
    adopt_all(tmp_path)
    for _ in range(3):
        journal = journal_in(tmp_path)
        finish(journal, begin(journal))
    points = [point for point in points_in(tmp_path) if point.measurement == "scheduling-job"]
    assert len({point.time_ns for point in points}) == len(points)


def test_adopters_at_once_close_each_run_once(tmp_path: Path) -> None:
    """Six processes that adopt at the same time write sixteen endings between them."""
    killed(tmp_path, 16)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_adopt_quietly, args=(tmp_path,)) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    adopt_all(tmp_path)
    assert len(lost(tmp_path)) == 16


def _adopt_quietly(folder: Path) -> None:
    state = StateDir(folder)
    with state.adopting() as held:
        if held:
            recover_slots(state, clock=SystemClock(), boot_id=IDENTITY.boot_id)
    os._exit(0)


def test_a_living_process_is_left_alone(tmp_path: Path) -> None:
    """Its lock is held: nothing of it is touched."""
    journal = journal_in(tmp_path)
    begin(journal)
    assert adopt_all(tmp_path) == 0
    assert segment_of(journal).path.exists()


def test_where_only_the_run_row_was_written_the_old_row_is_added(tmp_path: Path) -> None:
    """The run ended; the kill tore its second line: the same status and time are written, not `lost`."""
    journal = journal_in(tmp_path)
    uuid = begin(journal)
    end_ns = journal.stamp()
    run_row = ending("nightly", uuid, end_ns).split(b"\n")[0] + b"\n"
    with segment_of(journal).path.open("ab") as file:
        file.write(run_row + b"scheduling-job,job=nightly stat")
    path = segment_of(journal).path
    assert closed(path) == 0
    points = points_in(tmp_path)
    assert statuses(points) == {uuid: ["start", "end"]}
    assert [p.time_ns for p in points if p.fields.get("status") == "end"] == [end_ns]
    assert path.read_bytes().endswith(ending("nightly", uuid, end_ns).split(b"\n")[1] + b"\n")


@given(written=st.integers(0, 12))
def test_a_second_adopter_writes_what_the_first_would_have(
    tmp_path_factory: pytest.TempPathFactory, written: int
) -> None:
    """An adopter that was killed between any two lines is followed by one that ends each remaining run, once."""
    folder = tmp_path_factory.mktemp("state")
    journal = journal_in(folder)
    uuids = [begin(journal) for _ in range(6)]
    path = segment_of(journal).path
    before = path.read_bytes()
    closed(path)
    endings = path.read_bytes()[len(before) :].splitlines(keepends=True)
    path.write_bytes(before + b"".join(endings[:written]))
    closed(path)
    points = points_in(folder)
    assert statuses(points) == {uuid: ["start", "failed"] for uuid in uuids}
    assert len({point.time_ns for point in points if point.measurement == "scheduling-job"}) == 12
    rows = lost(folder)
    assert len({row.fields["uuid"] for row in rows}) == 6
    journal.close(delivered=True)


def test_lost_times_come_after_the_last_sign_of_life(tmp_path: Path) -> None:
    """A run is lost after it was last seen alive, in the slot's digits."""
    clock = ManualClock()
    journal = journal_in(tmp_path, clock=clock)
    begin(journal)
    slot = journal.stamp() % 1000
    clock.advance(3600)
    journal.maintain()
    closed(segment_of(journal).path)
    (row,) = lost(tmp_path)
    assert row.time_ns == clock.wall + 1000 + slot


@pytest.mark.parametrize("why", ["another boot", "no lock file"])
def test_where_the_lock_tells_nothing_ten_minutes_of_silence_do(tmp_path: Path, why: str) -> None:
    """With a state directory on a shared disk, or a deleted lock, recovery comes only after a silence."""
    killed(tmp_path, 1)
    boot_id = "boot-2" if why == "another boot" else IDENTITY.boot_id
    if why == "no lock file":
        for lock in tmp_path.glob("slots/*/lock"):
            lock.unlink()
    clock = ManualClock(wall=SystemClock.wall_ns())
    for _ in range(3):  # looking is no sign of life
        clock.advance(150)
        assert adopt_all(tmp_path, clock, boot_id) == 0
    clock.advance(200)
    assert adopt_all(tmp_path, clock, boot_id) == 1


@pytest.mark.parametrize("why", ["another boot", "no lock file"])
def test_a_sign_of_life_from_the_future_counts_from_the_first_look(tmp_path: Path, why: str) -> None:
    """A process died while the clock was years ahead: its runs are found ten minutes after the clock is right."""
    killed(tmp_path, 1)
    if why == "no lock file":
        for lock in tmp_path.glob("slots/*/lock"):
            lock.unlink()
    clock = ManualClock(wall=SystemClock.wall_ns() - 10 * 365 * 86_400 * 10**9)
    boot_id = "boot-2" if why == "another boot" else IDENTITY.boot_id
    for _ in range(4):
        assert adopt_all(tmp_path, clock, boot_id) == 0
        clock.advance(200)
    assert adopt_all(tmp_path, clock, boot_id) == 1


def test_an_old_segment_in_a_slot_tells_nothing_of_what_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that began in one segment and ended in the next isn't lost."""
    monkeypatch.setattr("otel_job_measure.journal.segment_writer._MIN_SEGMENT", 1)
    monkeypatch.setattr("otel_job_measure.journal.segment_writer._MAX_SEGMENT", 1)
    pid = os.fork()
    if pid == 0:
        journal = journal_in(tmp_path)
        first, second = begin(journal), begin(journal)
        finish(journal, first)
        finish(journal, second)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert len(list(tmp_path.rglob("*.lp"))) > 3
    assert adopt_all(tmp_path) == 0
    assert not lost(tmp_path)


def test_no_run_rows_where_their_writer_wrote_none(tmp_path: Path) -> None:
    """The recovering process respects `OTEL_JOB_MEASURE_RUNS=off` of the dead process."""
    identity = type(IDENTITY)(host="h", boot_id="boot-1", destination="local", label="", runs=False)
    journal = journal_in(tmp_path, identity=identity)
    uuid = begin(journal)
    closed(segment_of(journal).path)
    points = points_in(tmp_path)
    assert {point.measurement for point in points} == {"scheduling-job"}
    assert statuses(points) == {uuid: ["start", "failed"]}


@given(job=st.text(min_size=1, max_size=40), more=st.text(min_size=1, max_size=20))
def test_a_lost_run_is_of_the_same_series_as_its_start(
    tmp_path_factory: pytest.TempPathFactory, job: str, more: str
) -> None:
    """Whatever the names are, the ending has exactly the tags of the start."""
    folder = tmp_path_factory.mktemp("state")
    journal = journal_in(folder)
    tags = DefaultTags(datacenter=None, project=more, stage=TAGS.stage, more=(("host.name", more),))
    journal.begin("u", start_line(Series(job, tags), "u", journal.stamp()))
    closed(segment_of(journal).path)
    _, start, _, end = segment_of(journal).path.read_bytes().split(b"\n")[:4]
    assert start.split(b' status="')[0] == end.split(b' status="')[0]
    journal.close(delivered=True)


def test_what_is_no_segment_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file with another first line is named in an error and kept among the refused lines, not shipped."""
    killed(tmp_path, 1)
    (slot,) = [path.parent for path in tmp_path.rglob("*.lp")]
    stranger = slot / "stranger-0.lp"
    stranger.write_bytes(b"something else\n")
    adopt_all(tmp_path)
    assert (tmp_path / "rejected" / stranger.name).read_bytes() == b"something else\n"
    assert str(stranger) in caplog.text


def test_a_half_made_segment_is_cleared_away(tmp_path: Path) -> None:
    """A process killed in the middle of a rotation leaves a temporary file, which says nothing."""
    killed(tmp_path, 2)
    (slot,) = [path.parent for path in tmp_path.rglob("*.lp")]
    (slot / "local-1.tmp").write_bytes(b"# otel-job-me")
    assert adopt_all(tmp_path) == 2
    assert sorted(path.name for path in slot.iterdir()) == ["lock"]
