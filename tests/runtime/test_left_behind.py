"""What `otel-job-measure ship` sends: files are read and deleted by a thread, while others are on their way."""

import json
import logging
import os
import threading
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.delivery.checkpoints import FileCheckpoints
from otel_job_measure.delivery.consumer import Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.maintenance import Bound
from otel_job_measure.journal.segment import SUFFIX, encode_header
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.offline_source import OfflineSource
from tests.delivery.support import ListRejects, TinyServer, settings_for
from tests.journal.test_maintenance import HEADER

_LINE = b'scheduling-job,job=a uuid="u",status="start" 1\n'
_LARGE = 5000
BOUND = Bound(max_bytes=1 << 30, counters=Counters(), is_delivered=lambda _name: False)
_MANY = 2100


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory with more small segments than are read at once, and a large one."""
    state = StateDir(tmp_path / "state")
    state.make()
    for number in range(_MANY):
        content = _LINE * (_LARGE // len(_LINE) if number == 0 else 1)
        (state.ready / f"{HEADER.destination}-{number:04}.lp").write_bytes(encode_header(HEADER) + content)
    return state


@pytest.fixture
def source(state: StateDir) -> OfflineSource:
    """What is left there for one destination."""
    return OfflineSource(
        state, HEADER.destination, [], clock=SystemClock(), boot_id=HEADER.identity.boot_id, bound=BOUND
    )


def taken(source: OfflineSource, *, windows: int) -> list[str]:
    """Drops what some windows hold, as if every sink had it, and returns its names."""
    names: list[str] = []
    with source.left() as left:
        for window in left or ():
            for segment in window:
                assert segment.read(0, _LARGE).endswith(_LINE)
                names.append(segment.name)
                source.drop(segment)
            windows -= 1
            if not windows:
                break
    return names


def sent(source: OfflineSource, state: StateDir, tiny: TinyServer) -> list[int]:
    """Sends what is left as the command does, and returns how many points each request had."""
    before = len(tiny.requests)
    checkpoints = FileCheckpoints(state.positions, HEADER.destination)
    sink = InfluxSink(settings_for(tiny.url), Counters(), ListRejects())
    rounds = DeliveryLoop(source, [Consumer(sink, checkpoints=checkpoints)])
    rounds.recover(lambda: True)
    rounds.close()
    return [len(request.lines) for request in tiny.requests[before:]]


def positions(state: StateDir) -> dict[str, int]:
    """Returns what is noted of segments that were sent."""
    noted: dict[str, dict[str, int]] = json.loads(state.positions.read_bytes())["destinations"]
    return noted.get(HEADER.destination, {})


def test_each_is_given_once_and_is_gone_in_the_end(source: OfflineSource, state: StateDir) -> None:
    """Each segment is given once and deleted when it is dropped."""
    there = sorted(path.name for path in state.ready.iterdir())
    assert sorted(taken(source, windows=9)) == there
    assert list(state.ready.iterdir()) == []
    assert [thread for thread in threading.enumerate() if "files" in thread.name] == []


def test_what_was_read_ahead_and_not_asked_for_is_kept(source: OfflineSource, state: StateDir) -> None:
    """Where the server fails after some, those are gone by the time that others may look, and all others are there."""
    there = {path.name for path in state.ready.iterdir()}
    gone = taken(source, windows=1)
    assert 0 < len(gone) < _MANY
    with state.adopting() as held:
        assert held
    kept = {path.name for path in state.ready.iterdir()}
    assert kept == there - set(gone)
    assert set(taken(source, windows=9)) == kept


def test_what_cannot_be_deleted_is_said_once_and_sent_once(
    state: StateDir, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither this process sends it again nor the next one, and the others are deleted all the same."""
    stuck = state.ready / f"{HEADER.destination}-1234.lp"
    unlink = os.unlink

    def refused(path: str) -> None:
        if path == str(stuck):
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", refused)
    tiny = TinyServer()
    first, second = (
        OfflineSource(state, HEADER.destination, [], clock=SystemClock(), boot_id=HEADER.identity.boot_id, bound=BOUND)
        for _ in range(2)
    )
    assert sum(sent(first, state, tiny)) == _MANY + _LARGE // len(_LINE) - 1
    assert [sent(source, state, tiny) for source in (first, second)] == [[], []]
    tiny.close()
    assert [path.name for path in state.ready.iterdir()] == [stuck.name]
    assert list(positions(state)) == [stuck.name]
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(said) == 2
    assert all(str(stuck) in words for words in said)


def test_what_is_sent_is_noted_until_its_file_is_gone(
    source: OfflineSource, state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed between the two leaves nothing that the next one sends again."""
    unlink = os.unlink
    unnoted: list[str] = []

    def watched(path: str | Path) -> None:
        if Path(path).suffix == SUFFIX and Path(path).name not in positions(state):
            unnoted.append(str(path))
        unlink(path)

    monkeypatch.setattr(os, "unlink", watched)
    tiny = TinyServer()
    sent(source, state, tiny)
    tiny.close()
    assert unnoted == []
    assert positions(state) == {}
    assert list(state.ready.iterdir()) == []


def test_without_room_for_a_thread_all_is_sent(
    source: OfflineSource, state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on processes makes it slower and nothing else."""
    tiny = TinyServer()
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if "otel-job-measure" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert sum(sent(source, state, tiny)) == _MANY + _LARGE // len(_LINE) - 1
    tiny.close()
    assert list(state.ready.iterdir()) == []


def test_with_nothing_there_no_thread_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that looks each second begins none each second."""
    state = StateDir(tmp_path / "state")
    state.make()
    source = OfflineSource(
        state, HEADER.destination, [], clock=SystemClock(), boot_id=HEADER.identity.boot_id, bound=BOUND
    )
    begun: list[str] = []

    def start(thread: threading.Thread) -> None:
        begun.append(thread.name)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert taken(source, windows=9) == []
    assert begun == []
