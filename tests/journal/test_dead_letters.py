"""Lines that a server refused: kept with its message, found, sent again or given up."""

import os
import threading
from pathlib import Path

import pytest

from otel_job_measure.errors import StateDirError
from otel_job_measure.journal import dead_letters as module
from otel_job_measure.journal.dead_letters import (
    DeadLetterFiles,
    LoggedDeadLetters,
    dead_letters,
    discard,
    put_into_ready,
    retry,
)
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.kept_output import KeptOutput, encode
from otel_job_measure.journal.segment import SegmentFile
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.testing import ManualClock
from tests.journal.support import IDENTITY, whole_lines

BAD = b'scheduling-job,job=x status="start" nonsense'
HERE = IDENTITY._replace(destination="here")
THERE = IDENTITY._replace(destination="there")


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory that exists."""
    made = StateDir(tmp_path / "state")
    made.make()
    return made


def test_a_file_of_dead_letters_is_a_segment(state: StateDir) -> None:
    """Its first line is a header; above each line is a comment with the time and the message, on one line."""
    letters = DeadLetterFiles(state.rejected, HERE, ManualClock())
    letters.put(b"bad line", "unable to\nparse 'bad line'")
    letters.put(b"worse", "no")
    (path,) = state.rejected.iterdir()
    assert SegmentFile.open(path).header.destination == "here"
    assert whole_lines(path.read_bytes())[1:] == [
        b"# 2027-01-15T08:00:00Z unable to parse 'bad line'",
        b"bad line",
        b"# 2027-01-15T08:00:00Z no",
        b"worse",
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_dead_letters_fill_file_after_file(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the bound on bytes can delete the oldest."""
    monkeypatch.setattr(module, "_FILE_BYTES", 20)
    letters = DeadLetterFiles(state.rejected, HERE)
    for _ in range(5):
        letters.put(b"0123456789", "a long message")
    assert len(list(state.rejected.iterdir())) == 5


def test_a_line_that_cannot_be_kept_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With its message, if the folder is missing and if the journal is in memory."""
    DeadLetterFiles(tmp_path / "nowhere", HERE).put(b"bad", "why")
    LoggedDeadLetters().put(b"worse", "because")
    for text in ("b'bad'", "why", "b'worse'", "because"):
        assert text in caplog.text


def test_the_oldest_is_found_first(state: StateDir) -> None:
    """Each with its destination, its message and its time."""
    clock = ManualClock()
    for line, identity, message in ((BAD, HERE, "first"), (b"other", THERE, "no")):
        DeadLetterFiles(state.rejected, identity, clock).put(line, message)
        clock.advance(60)
    first, second = dead_letters(state)[0]
    assert (first.line, first.destination, first.refused_at) == (BAD, "here", "2027-01-15T08:00:00Z")
    assert (second.line, second.destination, second.message) == (b"other", "there", "no")


def test_lines_without_a_header_a_time_or_a_message_are_found_too(state: StateDir) -> None:
    """Bytes of any kind, and a last line whose newline was never written."""
    (state.rejected / "here-1.lp").write_bytes(b"# unable to parse\nbad\n\nworse \xff\r x\n# cut\ntorn")
    found = [(letter.line, letter.message, letter.refused_at) for letter in dead_letters(state)[0]]
    assert found == [(b"bad", "unable to parse", None), (b"worse \xff\r x", "", None), (b"torn", "cut", None)]


def test_a_commands_output_in_a_segment_that_was_set_aside_is_no_message(state: StateDir) -> None:
    """It is long, and it is not for a terminal."""
    comment = encode(KeptOutput("u", 1, "stdout", b"secret"))
    (state.rejected / "d-1.lp").write_bytes(b"damaged\n" + comment + b'scheduling-job,job=j uuid="u",status="end" 1\n')
    letters, _ = dead_letters(state)
    assert [letter.message for letter in letters] == ["", ""]


def test_a_retry_moves_the_lines_of_one_destination_to_the_segments_that_wait(state: StateDir) -> None:
    """As they are, with their messages as comments; a file without a header gets one."""
    DeadLetterFiles(state.rejected, HERE).put(BAD, "no")
    DeadLetterFiles(state.rejected, THERE).put(b"other", "no")
    (state.rejected / "here-1.lp").write_bytes(b"old line\n")
    assert retry(state, HERE) == 2
    assert [letter.destination for letter in dead_letters(state)[0]] == ["there"]
    segments = state.ready_segments("here")
    data = b"".join(segment.read(0, 1 << 20) for segment in segments)
    assert len(segments) == 2
    assert sorted(line for line in whole_lines(data) if line[:1] != b"#") == sorted([BAD, b"old line"])


def test_lines_of_a_person_wait_like_any_others(state: StateDir) -> None:
    """They are a segment in `ready/`."""
    put_into_ready(state, HERE, b"mended\n")
    [segment] = state.ready_segments("here")
    assert segment.read(0, 1 << 20).endswith(b"\nmended\n")


def test_what_was_seen_is_discarded_and_what_came_later_stays(state: StateDir) -> None:
    """A process may add lines between a look and the command to discard."""
    letters = DeadLetterFiles(state.rejected, HERE)
    letters.put(BAD, "no")
    _, sizes = dead_letters(state)
    letters.put(b"later", "no")
    assert discard(state, sizes) == 1
    assert [letter.line for letter in dead_letters(state)[0]] == [b"later"]
    assert discard(state, dead_letters(state)[1]) == 1
    assert list(state.rejected.iterdir()) == []


def test_nothing_is_lost_that_is_added_during_a_retry(state: StateDir) -> None:
    """Four threads add lines while files move away: each line is in one place."""

    def add(number: int) -> None:
        letters = DeadLetterFiles(state.rejected, HERE)
        for count in range(200):
            letters.put(b"line %d %d" % (number, count), "no")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        retry(state, HERE)
    retry(state, HERE)
    data = b"".join(segment.read(0, 1 << 30) for segment in state.ready_segments("here"))
    lines = [line for line in whole_lines(data) if not line.startswith(b"#")]
    assert sorted(lines) == sorted(b"line %d %d" % (number, count) for number in range(4) for count in range(200))


def test_a_file_that_stays_in_use_is_an_error(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is changed."""
    monkeypatch.setattr(module, "_PAUSE_S", 0)
    DeadLetterFiles(state.rejected, HERE).put(BAD, "no")
    [path] = state.rejected.iterdir()
    taken = lock(path)
    assert taken is not None
    with pytest.raises(StateDirError, match="in use"):
        retry(state, HERE)
    taken.release()
    assert len(dead_letters(state)[0]) == 1


def test_where_nothing_was_refused_nothing_is_found(tmp_path: Path) -> None:
    """Nor is anything made; a folder that cannot be read is an error."""
    state = StateDir(tmp_path / "state")
    assert dead_letters(state) == ([], {})
    assert not state.root.exists()
    state.root.mkdir()
    state.rejected.touch()
    with pytest.raises(StateDirError, match="cannot be read"):
        dead_letters(state)


def test_what_is_no_file_of_dead_letters_stops_no_other(state: StateDir, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is too large, a link and a pipe stay where they are; the others are sent again or deleted."""
    letters = DeadLetterFiles(state.rejected, HERE)
    letters.put(BAD, "no")
    with (state.rejected / "here-0.lp").open("wb") as file:
        file.truncate(8 * 1024**3)
    (state.rejected / "here-1.lp").symlink_to("/etc/passwd")
    os.mkfifo(state.rejected / "here-2.lp")
    assert retry(state, HERE) == 1
    assert len(list(state.ready.iterdir())) == 1
    letters.put(BAD, "no")
    assert discard(state, dead_letters(state)[1] | {f"here-{number}.lp": 1 for number in range(3)}) == 1
    assert sorted(path.name for path in state.rejected.iterdir()) == ["here-0.lp", "here-1.lp", "here-2.lp"]
    assert "more than" in caplog.text


def test_any_amount_of_lines_can_be_queued(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come into files that readers take, each line whole and in one of them."""
    monkeypatch.setattr(module, "_PART_BYTES", 100)
    lines = b"".join(b"line %d of many\n" % number for number in range(50)) + b"x" * 500 + b"\nlast\n"
    put_into_ready(state, HERE, lines)
    found = [SegmentFile.open(path).read(0, 10_000) for path in state.ready.iterdir()]
    assert len(found) > 8
    told = [line for data in found for line in whole_lines(data)[1:]]
    assert sorted(told) == sorted(whole_lines(lines))
