"""The lines that InfluxDB refused, as they are found, and taken out while others are added."""

import os
import threading
from pathlib import Path

import pytest

from otel_job_measure.errors import StateDirError
from otel_job_measure.journal.dead_letters import DeadLetterFiles
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.rejected_lines import RejectedLines, id_of
from otel_job_measure.testing import ManualClock
from tests.journal.support import IDENTITY

BAD = b'scheduling-job,job=x status="start" nonsense'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty `rejected/`."""
    made = tmp_path / "rejected"
    made.mkdir()
    return made


def test_each_line_is_found_once_the_oldest_first(folder: Path) -> None:
    """With what was said of it last, its destination and an id that doesn't change."""
    clock = ManualClock()
    for line, destination, words in ((BAD, "here", "first"), (b"other", "there", "no"), (BAD, "here", "again")):
        DeadLetterFiles(folder, IDENTITY._replace(destination=destination), clock).put(line, words)
        clock.advance(60)
    first, second = RejectedLines(folder).all()
    assert (first.line, first.destination, first.at) == (b"other", "there", "2027-01-15T08:01:00Z")
    assert (second.line, second.words, second.id) == (BAD, "again", id_of("here", BAD))


def test_what_was_kept_without_a_time_is_found_too(folder: Path) -> None:
    """Also a line with nothing above it, with bytes of any kind, and one whose newline was never written."""
    (folder / "here-1.lp").write_bytes(b"# unable to parse\nbad\n\nworse \xff\r x\n# cut\ntorn")
    found = [(one.line, one.words, one.at) for one in RejectedLines(folder).all()]
    assert found == [(b"bad", "unable to parse", None), (b"worse \xff\r x", "", None), (b"torn", "cut", None)]


def test_a_line_is_taken_out_and_the_others_stay(folder: Path) -> None:
    """As they were, with the file's age, for the owner alone; an empty file is not kept."""
    rejects = DeadLetterFiles(folder, IDENTITY._replace(destination="here"), ManualClock())
    rejects.put(BAD, "no")
    [path] = folder.iterdir()
    kept = path.read_bytes()
    rejects.put(b"other", "no")
    os.utime(path, ns=(5, 5))
    lines = RejectedLines(folder)
    lines.take_out({id_of("here", b"other"), "00000000"})
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode & 0o777) == (kept, 5, 0o600)
    lines.take_out({id_of("here", BAD)})
    assert list(folder.iterdir()) == []


def test_nothing_is_lost_that_is_added_meanwhile(folder: Path) -> None:
    """Four threads add lines while lines are taken out: each that was not taken out is there."""
    taken: set[bytes] = set()

    def add(number: int) -> None:
        rejects = DeadLetterFiles(folder, IDENTITY._replace(destination="here"))
        for count in range(200):
            rejects.put(b"line %d %d" % (number, count), "no")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    lines = RejectedLines(folder)
    while any(thread.is_alive() for thread in threads):
        some = lines.all()[:3]
        lines.take_out({one.id for one in some})
        taken |= {one.line for one in some}
    added = {b"line %d %d" % (number, count) for number in range(4) for count in range(200)}
    assert {one.line for one in lines.all()} == added - taken


def test_a_file_that_stays_in_use_is_said(folder: Path) -> None:
    """Who holds it may have died in the middle of something: nothing is changed."""
    DeadLetterFiles(folder, IDENTITY._replace(destination="here")).put(BAD, "no")
    [path] = folder.iterdir()
    taken = lock(path)
    assert taken is not None
    waited: list[float] = []
    with pytest.raises(StateDirError, match="in use"):
        RejectedLines(folder, pause=waited.append).take_out({id_of("here", BAD)})
    taken.release()
    assert len(waited) > 1
    assert len(RejectedLines(folder).all()) == 1


def test_where_nothing_was_ever_refused_nothing_is_found(tmp_path: Path) -> None:
    """Nor is anything made; a folder that can't be read is an error of ours."""
    assert RejectedLines(tmp_path / "rejected").all() == []
    assert list(tmp_path.glob("rejected")) == []
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StateDirError, match="cannot be read"):
        RejectedLines(file).all()
