"""What the journal does where descriptors, files, disks and clocks fail it."""

import os
import resource
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.testing import ManualClock
from tests.journal.support import Opener, begin, finish, journal_in, points_in, statuses
from tests.journal.test_journal import segment_of


@pytest.mark.parametrize("victim", ["segment", "lock", "both"])
def test_an_app_that_closes_our_descriptors_loses_us_nothing(tmp_path: Path, victim: str) -> None:
    """The app closes what isn't its own and opens files under the same numbers: they stay its own, byte for byte."""
    journal = journal_in(tmp_path / "state")
    first = begin(journal)
    path = segment_of(journal).path
    ours = {link.readlink(): int(link.name) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    lock = path.parent / "lock"
    closed = {"segment": [ours[path]], "lock": [ours[lock]], "both": [ours[path], ours[lock]]}[victim]
    for fd in closed:
        os.close(fd)
    apps = [(tmp_path / f"app-{number}").open("w+b", buffering=0) for number in range(3)]
    assert {file.fileno() for file in apps} & set(closed)
    journal.maintain()
    second = begin(journal)
    finish(journal, first)
    finish(journal, second)
    journal.close(delivered=False)
    assert [file.read() for file in apps] == [b"", b"", b""]
    for file in apps:
        file.write(b"still mine")
        file.close()
    found = statuses(points_in(tmp_path / "state"))
    assert {uuid: sorted(set(rows)) for uuid, rows in found.items()} == {
        first: ["end", "start"],
        second: ["end", "start"],
    }


@pytest.mark.parametrize("what", ["segment", "slot", "state"])
def test_what_is_deleted_under_us_is_made_again(tmp_path: Path, what: str) -> None:
    """`rm` deletes the segment, the slot or the whole folder: the next run is kept in a new one."""
    journal = journal_in(tmp_path / "state")
    still_open = begin(journal)
    segment = segment_of(journal).path
    target = {"segment": segment, "slot": segment.parent, "state": tmp_path / "state"}[what]
    _remove(target)
    uuid = begin(journal)
    finish(journal, uuid)
    found = statuses(points_in(tmp_path / "state"))
    assert found[uuid] == ["start", "end"]
    assert found[still_open] == ["start"]


def _remove(path: Path) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            _remove(entry)
        path.rmdir()
    else:
        path.unlink()


def test_a_full_disk_is_waited_out_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If nothing can be appended, the points wait, one error is logged, and they are written when there is room."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a limit would cut it short
    clock = ManualClock()
    journal = journal_in(tmp_path, clock=clock)
    first = begin(journal)
    size = segment_of(journal).path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))  # room for a part of a line
    try:
        finish(journal, first)
        second = begin(journal)
        assert journal.waiting == 2
        assert segment_of(journal).path.stat().st_size == size, "the part of a line was not cut off"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert len(caplog.records) == 1
    assert "wait in memory" in caplog.text
    journal.maintain()
    assert journal.waiting == 0
    assert statuses(points_in(tmp_path)) == {first: ["start", "end"], second: ["start"]}


def test_a_point_that_is_just_being_written_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process ends at that moment, the point is not sent around its segment, and no time is unknown."""
    journal = journal_in(tmp_path)
    uuid = begin(journal)
    handle = journal._life.handle  # pyright: ignore[reportPrivateUsage]
    assert handle is not None
    write, sent, behind = handle.store.write, list[bytes](), list[bool]()

    def send(lines: Sequence[bytes]) -> bool:
        sent.extend(lines)
        return True

    def ends_meanwhile(data: bytes) -> bool:
        behind.append(journal.is_behind)
        journal.maintain()
        journal.give_up(send)
        return write(data)

    monkeypatch.setattr(handle.store, "write", ends_meanwhile)
    finish(journal, uuid)
    assert (behind, sent, StateDir(tmp_path).unknown_times()) == ([False], [], ())
    assert statuses(points_in(tmp_path)) == {uuid: ["start", "end"]}


def test_what_waits_in_memory_is_bounded_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the oldest points go, and are counted under their cause."""
    monkeypatch.setattr("otel_job_measure.journal.journal._MAX_WAITING", 10)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    journal = journal_in(tmp_path)
    begin(journal)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        for _ in range(15):
            begin(journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert journal.waiting == 10
    assert journal._counters.now().dropped == {"memory": 5}  # pyright: ignore[reportPrivateUsage]


def test_nothing_is_appended_behind_a_torn_line_that_cannot_be_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The torn segment is left at its last good byte, and what comes next goes into a new one."""
    journal = journal_in(tmp_path)
    first = begin(journal)
    torn = segment_of(journal)
    good = torn.size()
    write = os.write

    def short(fd: int, data: bytes) -> int:
        return write(fd, data[:20])

    def refused(_fd: int, _size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        patched.setattr(os, "ftruncate", refused)
        finish(journal, first)
    assert torn.path.stat().st_size == good + 20
    assert torn.size() == good
    second = begin(journal)
    assert segment_of(journal) is not torn
    assert torn.path.stat().st_size == good + 20
    found = statuses(points_in(tmp_path))
    assert sorted(found[first]) == ["end", "start", "start"]
    assert found[second] == ["start"]


@pytest.mark.usefixtures("small_segments")
def test_where_no_segment_can_be_begun_the_old_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A rotation that fails is a warning, leaves nothing half-made, and loses no point."""
    journal = journal_in(tmp_path)
    begin(journal)
    monkeypatch.setattr(Path, "rename", _refuse)
    uuids = [begin(journal) for _ in range(100)]
    assert len(journal.own()) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert not list(tmp_path.rglob("*.tmp"))
    found = statuses(points_in(tmp_path))
    assert all(found[uuid] == ["start"] for uuid in uuids)


def test_a_slot_in_which_nothing_can_be_written_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first segment fails: the caller is told, and the slot's lock is free again."""
    state = StateDir(tmp_path)
    state.make()
    monkeypatch.setattr(Path, "rename", _refuse)
    with pytest.raises(OSError, match="refused"):
        Opener(state, SystemClock())({}, None)
    [folder] = state.slot_folders()
    assert lock(folder / "lock") is not None


def test_after_a_step_back_without_another_slot_the_journal_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There is nowhere to go: a warning, and no point is lost."""
    clock = ManualClock()
    journal = journal_in(tmp_path, clock=clock)
    uuid = begin(journal)
    clock.wall -= 3_600_000_000_000
    monkeypatch.setattr(Path, "rename", _refuse)
    journal.maintain()
    monkeypatch.undo()
    finish(journal, uuid)
    assert "the clock was set back" in caplog.text
    assert statuses(points_in(tmp_path))[uuid] == ["start", "end"]


def _refuse(self: Path, target: Path) -> Path:
    raise OSError(28, f"refused: {self} to {target}")


def test_a_state_directory_that_becomes_a_file_harms_nobody(tmp_path: Path) -> None:
    """Runs go on and wait in memory, upkeep raises nothing, and all is written when there is a folder again."""
    root = tmp_path / "state"
    journal = journal_in(root)
    before = begin(journal)
    shutil.rmtree(root)
    root.touch()
    finish(journal, before)
    meanwhile = begin(journal)
    journal.maintain()
    assert journal.waiting == 2
    root.unlink()
    journal.maintain()
    assert journal.waiting == 0
    assert statuses(points_in(root)) == {before: ["start", "end"], meanwhile: ["start"]}
