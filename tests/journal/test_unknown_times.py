"""Of which times a state directory says that its history may lack rows."""

import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from otel_job_measure.delivery.consumer import EAGER, LAZY, Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop
from otel_job_measure.history.history import History
from otel_job_measure.history.sink import HistorySink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Chunk
from otel_job_measure.journal.maintenance import Bound, enforce, maintain
from otel_job_measure.journal.segment import encode_header
from otel_job_measure.journal.state_dir import Mark, StateDir, Time
from otel_job_measure.runtime.offline_source import OfflineSource
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.delivery.support import ListSink
from tests.journal.support import IDENTITY, begin, finish, journal_in
from tests.journal.test_maintenance import HEADER, LINE


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory with two segments and a file of dead letters."""
    made = StateDir(tmp_path)
    made.make()
    for number, folder in enumerate((made.ready, made.ready, made.rejected)):
        path = folder / f"{number}.lp"
        path.write_bytes(encode_header(HEADER._replace(created_ns=100 * number + 1)) + LINE)
        os.utime(path, ns=(100 * number + 50, 100 * number + 50))
    return made


def _bound(*recorded: str) -> Bound:
    return Bound(
        max_bytes=0,
        counters=Counters(),
        is_delivered=lambda name: name == "1.lp",
        is_recorded=lambda name, _size: name in recorded,
    )


@pytest.mark.parametrize(("recorded", "times"), [((), ((1, 150),)), (("0.lp",), ((101, 150),)), (("0.lp", "1.lp"), ())])
def test_what_the_history_never_got_is_noted(
    state: StateDir, recorded: tuple[str, ...], times: tuple[Time, ...]
) -> None:
    """Also what only InfluxDB has; what the history has leaves no gap in it, and dead letters were in it before."""
    enforce(state, _bound(*recorded))
    assert state.unknown_times() == times
    assert not [*state.ready.iterdir(), *state.rejected.iterdir()]


def test_many_marks_become_fewer(tmp_path: Path) -> None:
    """Those that lie closest together become one, so that little is unknown that was known; the others stay."""
    state = StateDir(tmp_path)
    for number in range(300):
        Mark(state, number * 10).until(number * 10 + 5)
    Mark(state, 10**6).until(10**6)
    state.merge_unknown()
    found = state.unknown_times()
    assert (len(found), found[-1]) == (100, (10**6, 10**6))
    assert (found[0][0], found[-2][1]) == (0, 2995)
    assert {first % 10 for first, _ in found} == {0}
    state.merge_unknown()
    assert state.unknown_times() == found


def test_maintenance_merges_them(tmp_path: Path) -> None:
    """Each command that fails on a full disk leaves one."""
    state = StateDir(tmp_path)
    state.make()
    for number in range(150):
        Mark(state, number).until(number)
    maintain(state, clock=ManualClock(), boot_id="", bound=None, always=True)
    assert len(state.unknown_times()) == 100


@pytest.mark.parametrize("name", ["1", "-1", "x-1", "99999999999999999999999-1", "\u0661-1", "1 -2"])
def test_files_of_another_kind_say_nothing(tmp_path: Path, name: str) -> None:
    """The marks beside them count."""
    state = StateDir(tmp_path)
    Mark(state, 1).until(2)
    (state.unknown / name).touch()
    assert state.unknown_times() == ((1, 2),)


def test_a_mark_that_cannot_be_made_harms_nobody(tmp_path: Path) -> None:
    """Another program's file is in the place of the folder."""
    (tmp_path / "unknown").touch()
    mark = Mark(StateDir(tmp_path), 1)
    mark.until(2)
    mark.take_back()
    assert (mark.is_made, StateDir(tmp_path).unknown_times()) == (False, ())


@contextmanager
def no_room() -> Generator[None]:
    """No file of this process can grow while the block runs, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@pytest.fixture
def _no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit would cut it short."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.mark.usefixtures("_no_bytecode")
def test_while_points_cannot_be_written_their_time_is_unknown(tmp_path: Path) -> None:
    """From the first one until the last; as soon as all are written, everything is known."""
    clock = ManualClock()
    journal, state = journal_in(tmp_path, clock=clock), StateDir(tmp_path)
    begin(journal)
    with no_room():
        from_ns = clock.wall_ns()
        begin(journal)
        clock.advance(60)
        begin(journal)
        [(first_ns, last_ns)] = state.unknown_times()
        assert first_ns <= from_ns
        assert last_ns == clock.wall_ns()
    journal.maintain()
    assert (journal.waiting, state.unknown_times()) == (0, ())


@pytest.mark.usefixtures("_no_bytecode")
def test_the_time_of_points_that_are_lost_stays_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More waited than memory has room for; those that were written later change nothing about that."""
    monkeypatch.setattr("otel_job_measure.journal.journal._MAX_WAITING", 3)
    journal, state = journal_in(tmp_path), StateDir(tmp_path)
    begin(journal)
    with no_room():
        for _ in range(5):
            begin(journal)
    journal.maintain()
    assert (journal.waiting, len(state.unknown_times())) == (0, 1)
    begin(journal)
    journal.close(delivered=False)
    assert len(state.unknown_times()) == 1


@pytest.mark.usefixtures("_no_bytecode")
def test_a_process_that_ends_on_a_full_disk_leaves_its_mark(tmp_path: Path) -> None:
    """What waited in its memory is gone with it."""
    journal, state = journal_in(tmp_path), StateDir(tmp_path)
    begin(journal)
    with no_room():
        begin(journal)
        journal.close(delivered=False)
    assert len(state.unknown_times()) == 1


def test_a_journal_that_is_in_memory_for_want_of_a_place_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as long as points come: they never get into the history."""

    def all_are_taken(*_words: object, **_options: object) -> None:
        """Finds no free slot."""

    monkeypatch.setattr("otel_job_measure.journal.slots.take_number", all_are_taken)
    clock = ManualClock()
    pipeline = Pipeline(Settings(state_dir=tmp_path), ships=False, clock=clock)
    state, from_ns = StateDir(tmp_path), clock.wall_ns()
    begin(pipeline.journal)
    clock.advance(90)
    begin(pipeline.journal)
    assert state.unknown_times() == ((from_ns, clock.wall_ns()),)


def test_a_segment_that_the_history_refuses_is_marked(tmp_path: Path) -> None:
    """A file of a newer version takes nothing; an hour after the server had the segment it is deleted all the same."""
    clock = ManualClock()
    journal, state = journal_in(tmp_path, clock=clock), StateDir(tmp_path)
    began_ns = clock.wall_ns()
    finish(journal, begin(journal))
    journal.hand_over()
    begin(journal)
    with closing(sqlite3.connect(state.history)) as newer:
        newer.execute("PRAGMA user_version = 99")
    history = HistorySink(History(state.history, retention_s=86_400.0, clock=clock), clock=clock)
    consumers = [Consumer(ListSink(), EAGER, clock=clock), Consumer(history, LAZY, clock=clock)]
    bound = Bound(max_bytes=2**30, counters=Counters(), is_delivered=lambda _: False)
    source = OfflineSource(state, IDENTITY.destination, (), clock=clock, boot_id=IDENTITY.boot_id, bound=bound)
    loop = DeliveryLoop(source, consumers, clock=clock)
    loop.recover(lambda: True)
    assert (len(state.ready_segments()), state.unknown_times()) == (1, ())
    clock.advance(3700)
    loop.recover(lambda: True)
    loop.recover(lambda: True)
    assert state.ready_segments() == []
    assert state.unknown_times() == ((began_ns, clock.wall_ns()),)


def test_a_history_that_was_damaged_knows_nothing_of_before(tmp_path: Path) -> None:
    """The file that was set aside had rows of segments that are long deleted."""
    clock = ManualClock()
    history = History(tmp_path / "history.db", retention_s=86_400.0, clock=clock)
    history.fold([Chunk(segment="local-1.lp", offset=0, data=LINE)])
    (tmp_path / "history.db").write_bytes(b"damaged" * 2000)
    history.fold([Chunk(segment="local-2.lp", offset=0, data=LINE)], patience_s=1)
    assert StateDir(tmp_path).unknown_times() == ((0, clock.wall_ns()),)
