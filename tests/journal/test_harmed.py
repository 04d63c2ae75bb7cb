"""Segments that another program has cut, overwritten or emptied."""

import os
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.dead_letters import dead_letters
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.state_dir import StateDir
from tests.journal.support import IDENTITY, begin, finish, journal_in, points_in, statuses
from tests.journal.test_journal import segment_of


def died(journal: SegmentJournal) -> Path:
    """Lets the process of a journal be gone, and returns its segment."""
    path = segment_of(journal).path
    journal.forked()  # closes what it holds, as its end would
    return path


def adopted(folder: Path) -> int:
    """Adopts what the dead left, and returns how many runs were lost."""
    state = StateDir(folder)
    with state.adopting() as held:
        assert held
        return recover_slots(state, clock=SystemClock(), boot_id=IDENTITY.boot_id)


@pytest.mark.parametrize("size", [0, 1, 50, -10])
@pytest.mark.parametrize("finds", ["append", "maintain"])
def test_a_segment_that_was_cut_is_left_for_a_new_one(tmp_path: Path, size: int, finds: str) -> None:
    """Nothing is appended to half a line; what is gone is not waited for, and the open run is in the new one."""
    journal = journal_in(tmp_path)
    still_open, ended = begin(journal), begin(journal)
    cut = segment_of(journal)
    os.truncate(cut.path, size % cut.size())
    if finds == "append":
        finish(journal, ended)
    else:
        journal.maintain()
    assert segment_of(journal) is not cut
    assert cut.size() <= cut.path.stat().st_size
    finish(journal, ended)
    uuid = begin(journal)
    found = statuses(points_in(segment_of(journal).path.parent))
    assert (found[uuid], "end" in found[ended], "start" in found[still_open]) == (["start"], True, True)


def test_what_somebody_appends_to_a_segment_is_never_read(tmp_path: Path) -> None:
    """Readers stop where we have written to, and what comes next goes into a new segment."""
    journal = journal_in(tmp_path)
    first = begin(journal)
    harmed = segment_of(journal)
    good = harmed.path.read_bytes()
    with harmed.path.open("ab") as file:
        file.write(b"not ours\n")
    finish(journal, first)
    assert segment_of(journal) is not harmed
    assert harmed.read(0, 1 << 20) == good


GARBAGE = (
    b'scheduling-job,x=1 status="start",uuid="aaaaaaaaaaaa" 12\n',
    b"scheduling-job-run,job=a,status=end success=1 12\n",
    (
        b'scheduling-job-run,x=1,status=end uuid="bbbbbbbbbbbb" 12\n'
        b'scheduling-job,job=a status="start",uuid="bbbbbbbbbbbb" 1\n'
    ),
    b'scheduling-job,job=a status="end" ' + b"9" * 5000 + b"\n",
    b"# alive 99999999999999999999999\n",
    b"scheduling-job,\xff\xfe\x00\n",
)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_in_a_dead_ones_segment_hides_no_lost_run(tmp_path: Path, garbage: bytes) -> None:
    """The run that was open is lost, at a time that InfluxDB can have, and the next slot is seen to as well."""
    paths: list[Path] = []
    uuids: list[str] = []
    for _ in range(2):
        journal = journal_in(tmp_path)
        uuids.append(begin(journal))
        paths.append(died(journal))
    for path in paths:
        with path.open("ab") as file:
            file.write(garbage)
    assert adopted(tmp_path) >= 2
    lines = b"".join(path.read_bytes() for path in (tmp_path / "ready").iterdir()).splitlines()
    for uuid in uuids:
        [ending] = [line for line in lines if uuid.encode() in line and b'status="failed"' in line]
        assert int(ending.rpartition(b" ")[2]) < 2**63


@pytest.mark.parametrize("head", [b"", b"\n", b"# otel-job-measure [" + b"[" * 50_000 + b"\n", b"\x80garbage\n"])
def test_a_segment_without_a_head_is_put_among_the_refused_lines(
    tmp_path: Path, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It blocks no slot and is said once; its good lines can be sent by `otel-job-measure rejected --retry`."""
    journal = journal_in(tmp_path)
    uuid = begin(journal)
    path = died(journal)
    line = path.read_bytes().splitlines(keepends=True)[1]
    path.write_bytes(head + line)
    assert adopted(tmp_path) == 0
    assert adopted(tmp_path) == 0
    assert list(path.parent.glob("*.lp")) == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert any(uuid.encode() in kept.line for kept in dead_letters(StateDir(tmp_path))[0])


def test_a_damaged_file_among_those_that_wait_is_in_nobodys_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first reader sets it aside; an empty one is deleted; an unreadable one is logged once a minute."""
    state = StateDir(tmp_path)
    state.make()
    destination = "d" * 12
    (state.ready / f"{destination}-1.lp").write_bytes(b"no head\n")
    (state.ready / f"{destination}-2.lp").touch()
    (state.ready / f"{destination}-3.lp").mkdir()
    for _ in range(3):
        assert state.ready_segments() == []
        assert list(state.ready_windows({destination})) == [[]]
    assert sorted(path.name for path in state.ready.iterdir()) == [f"{destination}-3.lp"]
    assert [path.name for path in state.rejected.iterdir()] == [f"{destination}-1.lp"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
