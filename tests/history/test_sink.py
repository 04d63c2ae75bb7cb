"""The history as a sink: its answers, and what it knows of segments."""

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from otel_job_measure.history.history import History
from otel_job_measure.history.sink import HistorySink
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.interfaces import Ack, Chunk, Sink, WriteResult
from otel_job_measure.testing import ManualClock
from tests.history.support import NOW_NS, Lines, chunk, history_in, rows

LINE = Lines(uuid="a").start()


def sink_in(folder: Path, clock: ManualClock | None = None) -> Sink:
    """Returns the sink of another process of this state directory."""
    return HistorySink(history_in(folder), clock=clock or ManualClock())


def test_what_it_is_given_is_in_the_history(tmp_path: Path) -> None:
    """Pieces of several segments are folded, and another process knows how far."""
    sink = sink_in(tmp_path)
    assert sink.name == "the history"
    assert sink.committed_offset("one") == 0
    assert sink.write([chunk(LINE, "one"), chunk(b"# alive 1\n", "two")]) == WriteResult(ack=Ack.DONE)
    assert (sink.committed_offset("one"), sink.committed_offset("two")) == (len(LINE), 10)
    assert sink_in(tmp_path).committed_offset("one") == len(LINE)
    assert [run.uuid for run in history_in(tmp_path).latest(limit=9)] == ["a"]


def test_a_held_lock_means_another_time(tmp_path: Path) -> None:
    """The shipper's thread waits for no other process: the same chunks come again."""
    sink = sink_in(tmp_path)
    held = lock(tmp_path / "history.lock")
    assert held is not None
    assert sink.committed_offset("one") == 0
    answer = sink.write([chunk(LINE)])
    assert (answer.ack, answer.wait_s) == (Ack.RETRY, None)
    assert "in use by another process" in answer.message
    held.release()
    assert sink.write([chunk(LINE)]).ack is Ack.DONE


def test_a_newer_history_is_held_and_left_alone(tmp_path: Path) -> None:
    """The answer says that the package needs an upgrade, or the history must be turned off."""
    sink_in(tmp_path).write([chunk(LINE)])
    with closing(sqlite3.connect(tmp_path / "history.db")) as newer:
        newer.execute("PRAGMA user_version = 99")
    before = (tmp_path / "history.db").read_bytes()
    sink = sink_in(tmp_path)
    assert sink.committed_offset("local-1.lp") == 0
    answer = sink.write([chunk(LINE)])
    assert answer.ack is Ack.HOLD
    assert "newer version" in answer.message
    assert "OTEL_JOB_MEASURE_HISTORY=off" in answer.message
    assert (tmp_path / "history.db").read_bytes() == before


def test_a_damaged_history_is_no_reason_to_stop(tmp_path: Path) -> None:
    """What was given when it was found goes into the new one at once."""
    (tmp_path / "history.db").write_bytes(b"no database" * 1000)
    sink = sink_in(tmp_path)
    assert sink.write([chunk(LINE)]).ack is Ack.DONE
    assert [run.uuid for run in history_in(tmp_path).latest(limit=9)] == ["a"]


def test_a_bug_of_ours_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is raised becomes an answer, with the traceback in the log."""

    class BuggyHistory(History):
        def fold(self, chunks: Sequence[Chunk], *, patience_s: float = 0.0) -> None:
            raise ZeroDivisionError

    history = BuggyHistory(tmp_path / "history.db", retention_s=1, clock=ManualClock())
    answer = HistorySink(history).write([chunk(LINE)])
    assert answer == WriteResult(ack=Ack.RETRY, message="it failed with ZeroDivisionError")
    assert caplog.records[0].levelno == logging.ERROR
    assert caplog.records[0].exc_info


def test_positions_are_read_once_a_second(tmp_path: Path) -> None:
    """Thousands of segments that are not ingested do not open the file thousands of times."""
    clock = ManualClock()
    sink, other = sink_in(tmp_path, clock), sink_in(tmp_path)
    assert sink.committed_offset("one") == 0
    other.write([chunk(LINE, "one")])
    assert sink.committed_offset("one") == 0
    clock.advance(1)
    assert sink.committed_offset("one") == len(LINE)


def test_segments_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    """They are deleted with the next transaction, or at the end."""
    sink = sink_in(tmp_path)
    sink.write([chunk(LINE, "one"), chunk(LINE, "two")])
    sink.forget(["one"])
    assert sink.committed_offset("one") == 0
    sink.close()
    assert [row["name"] for row in rows(tmp_path / "history.db", "SELECT name FROM segments")] == ["two"]


def test_closing_raises_nothing(tmp_path: Path) -> None:
    """A lock that is held at the end leaves a note too many, and no error."""
    sink = sink_in(tmp_path)
    sink.write([chunk(LINE, "one")])
    sink.forget(["one"])
    held = lock(tmp_path / "history.lock")
    assert held is not None
    sink.close()
    held.release()
    assert [row["name"] for row in rows(tmp_path / "history.db", "SELECT name FROM segments")] == ["one"]
    sink.close()
    assert rows(tmp_path / "history.db", "SELECT name FROM segments") == []


def test_real_time_is_the_default(tmp_path: Path) -> None:
    """Without a clock it is the machine's."""
    history = History(tmp_path / "history.db", retention_s=1e9)
    assert HistorySink(history).write([chunk(LINE)]).ack is Ack.DONE
    (row,) = rows(history.path, "SELECT at_ns FROM segments")
    assert row["at_ns"] != NOW_NS
