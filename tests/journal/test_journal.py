"""The journal: what was appended is in the segment, whatever happens to descriptors, disks and threads."""

import gc
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.segment import SegmentFile
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.testing import ManualClock
from tests.journal.support import begin, finish, journal_in, points_in, source_of, statuses, whole_lines
from tests.support.interrupting import interrupting
from tests.support.uncovered import uncovered

ROOT = Path(__file__).parents[2]


def segment_of(journal: SegmentJournal) -> SegmentFile:
    """Returns the segment that a journal writes."""
    segment = journal.own()[-1]
    assert isinstance(segment, SegmentFile)
    return segment


def test_nothing_is_made_before_the_first_point(tmp_path: Path) -> None:
    """A journal without an append leaves no file."""
    journal_in(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_run_is_a_start_line_and_an_ending_with_its_run_row_first(tmp_path: Path) -> None:
    """The segment is line protocol after one comment, in the order in which things happened."""
    journal = journal_in(tmp_path)
    uuid = begin(journal)
    finish(journal, uuid)
    header, *rows = whole_lines(segment_of(journal).path.read_bytes())
    assert header.startswith(b"# ")
    assert [row.split(b",")[0] for row in rows] == [b"scheduling-job", b"scheduling-job-run", b"scheduling-job"]
    assert [point.fields["uuid"] for point in points_in(tmp_path)] == [uuid] * 3


def test_the_ending_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses at most one line: an ending and its run row go in together."""
    journal = journal_in(tmp_path)
    uuid = begin(journal)
    writes: list[bytes] = []
    write = os.write

    def spying(fd: int, data: bytes) -> int:
        writes.append(data)
        return write(fd, data)

    monkeypatch.setattr(os, "write", spying)
    finish(journal, uuid)
    assert [data.count(b"\n") for data in writes] == [2]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_everything_is_for_the_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Folders are 0700 and files 0600."""
    before = os.umask(umask)
    try:
        journal = journal_in(tmp_path / "a" / "state")
        source_of(journal).recover()
        finish(journal, begin(journal))
    finally:
        os.umask(before)
    root = tmp_path / "a" / "state"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@pytest.mark.usefixtures("small_segments")
def test_the_newest_segment_alone_says_what_is_open(tmp_path: Path) -> None:
    """After each rotation the start lines of the open runs stand in the new segment, once, and no ended run's."""
    journal = journal_in(tmp_path)
    open_runs = [begin(journal, f"open-{number}") for number in range(3)]
    for _ in range(200):
        finish(journal, begin(journal))
    assert len(journal.own()) > 5
    newest = whole_lines(segment_of(journal).path.read_bytes())
    for uuid in open_runs:
        assert sum(uuid.encode() in line for line in newest) == 1
    for uuid in open_runs:
        finish(journal, uuid)
    found = statuses(points_in(tmp_path))
    assert len(found) == 203
    assert all(rows.count("end") == 1 for rows in found.values())


@pytest.mark.usefixtures("small_segments")
def test_threads_that_rotate_lose_and_double_nothing(tmp_path: Path) -> None:
    """Eight threads on one job through dozens of rotations: each run has one ending, and no time is shared."""
    journal = journal_in(tmp_path)

    def work() -> None:
        for _ in range(60):
            finish(journal, begin(journal))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    points = points_in(tmp_path)
    found = statuses(points)
    assert len(found) == 480
    assert all(sorted(set(rows)) == ["end", "start"] and rows.count("end") == 1 for rows in found.values())
    by_time: dict[int | None, set[object]] = {}
    for point in points:
        by_time.setdefault(point.time_ns, set()).add((point.fields["uuid"], str(point.fields.get("status") or "end")))
    assert all(len(owners) == 1 for owners in by_time.values())


def test_processes_of_one_job_never_share_a_time(tmp_path: Path) -> None:
    """Twelve processes write runs of one job at once into one state directory: no two points have one time."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_many_runs, args=(tmp_path,)) for _ in range(12)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 12
    points = [point for point in points_in(tmp_path) if point.measurement == "scheduling-job"]
    assert len(points) == 12 * 40 * 2
    assert len({point.time_ns for point in points}) == len(points)


def _many_runs(folder: Path) -> None:
    journal = journal_in(folder)
    for _ in range(40):
        finish(journal, begin(journal))
    os._exit(0)


def test_a_run_inside_an_append_is_queued_and_written_by_the_outer_one(tmp_path: Path) -> None:
    """A timer's handler runs whole runs at any line of the journal: nothing hangs, nothing is lost."""
    journal = journal_in(tmp_path)
    inner: list[str] = []

    def handler() -> None:
        uuid = begin(journal, "in-a-handler")
        finish(journal, uuid, "in-a-handler")
        inner.append(uuid)

    begin(journal, "first")
    with interrupting(handler):
        outer = [begin(journal) for _ in range(1500)]
    found = statuses(points_in(tmp_path))
    assert inner, "the timer never came"
    assert all(found[uuid] == ["start"] for uuid in outer)
    assert all(found[uuid] == ["start", "end"] for uuid in inner)


def test_a_run_that_ends_in_the_garbage_collector_is_written(tmp_path: Path) -> None:
    """A finalizer that ends a run while another run is being written doesn't wait for itself."""
    journal = journal_in(tmp_path)

    class Dying:
        def __init__(self) -> None:
            self.uuid = begin(journal, "dying")
            self.me = self

        def __del__(self) -> None:
            finish(journal, self.uuid, "dying")

    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        uuids = [Dying().uuid for _ in range(50)]
        for _ in range(50):
            finish(journal, begin(journal))
        gc.collect()
    finally:
        gc.set_threshold(*threshold)
    found = statuses(points_in(tmp_path))
    assert all(sorted(found[uuid]) == ["end", "start"] for uuid in uuids)


def test_a_child_takes_a_slot_of_its_own_and_leaves_the_parents_alone(tmp_path: Path) -> None:
    """After a fork parent and child write into different slots, and the parent's lock outlives the child."""
    journal = journal_in(tmp_path)
    mine = begin(journal)
    pid = os.fork()
    if pid == 0:
        finish(journal, begin(journal, "child"), "child")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    finish(journal, mine)
    folders = {path.parent for path in tmp_path.rglob("*.lp")}
    assert len(folders) == 2
    other = journal_in(tmp_path)
    begin(other)
    source_of(other).recover()
    assert segment_of(journal).path.exists(), "the parent was taken for gone"
    assert segment_of(journal).path.parent.parent.name == "slots"


_FORKING = """
import os, signal, sys
from pathlib import Path
from tests.journal.support import begin, finish, journal_in, points_in, statuses
from tests.support.interrupting import interrupting
from tests.support.uncovered import uncovered

journal = journal_in(Path(sys.argv[1]))
pids, forking, outer = [], [], []

def handler():
    if len(pids) >= 20 or forking:
        return  # a fork inside the hooks of a fork is more than the interpreter promises
    forking.append(True)
    pid = os.fork()
    forking.clear()
    if pid == 0:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.alarm(20)  # a child that hangs ends in a signal
        finish(journal, begin(journal, "child"), "child")
        os._exit(0)
    pids.append(pid)

with interrupting(handler, every_s=0.003):
    while len(pids) < 20:
        outer.append(begin(journal))
assert not any(os.waitpid(pid, 0)[1] for pid in pids)
found = statuses(points_in(Path(sys.argv[1])))
assert all(found[uuid] == ["start"] for uuid in outer)
assert sum("end" in rows for rows in found.values()) == len(pids)
"""


def test_a_fork_inside_an_append_hangs_nobody(tmp_path: Path) -> None:
    """A handler forks at any line of the journal; each child measures a run of its own and exits."""
    environment = uncovered()  # coverage has locks of its own
    subprocess.run([sys.executable, "-c", _FORKING, tmp_path], check=True, env=environment, cwd=ROOT, timeout=100)


def test_a_step_back_of_the_clock_takes_another_slot(tmp_path: Path) -> None:
    """The times after the step are of the wall again, in a slot that never gave them; open runs go with it."""
    clock = ManualClock()
    journal = journal_in(tmp_path, clock=clock)
    still_open = begin(journal)
    before = journal.stamp()
    clock.wall -= 3_600_000_000_000
    journal.maintain()
    after = journal.stamp()
    assert after < before
    assert after % 1000 != before % 1000
    assert [path.parent.name for path in StateDir(tmp_path).ready.iterdir()] == ["ready"]
    assert still_open.encode() in segment_of(journal).path.read_bytes()
    assert {segment.name for segment in journal.own()} == {p.name for p in tmp_path.rglob("*.lp")}


def test_a_sign_of_life_is_given_while_a_run_is_open(tmp_path: Path) -> None:
    """Every ten seconds a comment, and none when nothing is open."""
    clock = ManualClock()
    journal = journal_in(tmp_path, clock=clock)
    uuid = begin(journal)
    for _ in range(4):
        clock.advance(5)
        journal.maintain()
    finish(journal, uuid)
    clock.advance(60)
    journal.maintain()
    assert segment_of(journal).path.read_bytes().count(b"# alive ") == 2


def test_a_closed_journal_leaves_its_slot_and_its_segments_to_others(tmp_path: Path) -> None:
    """What was delivered is deleted; what was not is in `ready/`; a later point takes a slot again."""
    journal = journal_in(tmp_path)
    finish(journal, begin(journal))
    journal.close(delivered=True)
    assert not list(tmp_path.rglob("*.lp"))
    finish(journal, begin(journal))
    journal.close(delivered=False)
    assert [path.parent.name for path in tmp_path.rglob("*.lp")] == ["ready"]


def test_a_journal_closed_with_an_open_run_keeps_its_slot(tmp_path: Path) -> None:
    """No recovery pass ends the run as lost while its process lives, and its real ending is written."""
    journal = journal_in(tmp_path)
    uuid = begin(journal)
    journal.close(delivered=True)
    other = journal_in(tmp_path)
    begin(other)
    source_of(other).recover()
    finish(journal, uuid)
    assert statuses(points_in(tmp_path))[uuid] == ["start", "end"]


def test_readers_stop_at_the_last_newline(tmp_path: Path) -> None:
    """A line that is being written is never seen, and long lines are read whole."""
    journal = journal_in(tmp_path)
    begin(journal)
    segment = SegmentFile.open(segment_of(journal).path)
    whole = segment.size()
    with segment.path.open("ab") as file:
        file.write(b"scheduling-job,job=torn")
    assert segment.size() == whole
    assert b"torn" not in segment.read(0, 1 << 20)
    assert segment.read(0, 10).endswith(b"\n")
    assert segment.read(whole, 10) == b""
    segment.delete()
    assert (segment.size(), segment.read(0, 10)) == (0, b"")


def test_a_segment_is_read_and_deleted_where_an_adopter_has_put_it(tmp_path: Path) -> None:
    """A process that was taken for gone still ships what is its own."""
    journal = journal_in(tmp_path)
    begin(journal)
    segment = segment_of(journal)
    segment.path.rename(tmp_path / "ready" / segment.name)
    assert segment.read(0, 1 << 20).count(b"\n") == 2
    segment.move(tmp_path / "ready")
    assert segment.path.parent.name == "ready"
    segment.delete()
    segment.move(tmp_path / "rejected")  # gone is gone
    assert segment.read(0, 1 << 20) == b""
