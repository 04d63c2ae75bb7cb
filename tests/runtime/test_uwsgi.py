"""What the package does in the processes of uWSGI; `tests/acceptance/test_uwsgi.py` has real ones."""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from otel_job_measure import JobMeasure, forks
from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.journal.counters import Counters
from tests.delivery.support import FakeSource, Reply, TinyServer
from tests.runtime.support import THREAD, delivered, history, run, said, segments, sending
from tests.support.processes import until


def place_uwsgi(monkeypatch: pytest.MonkeyPatch, **more: int) -> None:
    """Puts a module in the place of the one that uWSGI has in its processes."""
    numbers = {"worker_id": 0, "mule_id": 0, "i_am_the_spooler": None} | more
    has_threads = numbers.pop("has_threads", 1)
    functions: dict[str, Any] = {name: lambda number=number: number for name, number in numbers.items()}
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=has_threads, **functions))


def threads() -> list[str]:
    """Returns the package's threads."""
    return [thread.name for thread in threading.enumerate() if thread.name == THREAD]


@pytest.mark.parametrize(("has_threads", "expected"), [(0, 1), (1, 0)])
def test_a_uwsgi_without_threads_is_told(
    has_threads: int, expected: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Older versions of uWSGI let a thread run only during requests, unless they are told otherwise."""
    place_uwsgi(monkeypatch, has_threads=has_threads, worker_id=1)
    shipper = Shipper(FakeSource(), [], Counters())
    shipper.wake()
    shipper.close(10)
    assert len([message for message in said(caplog) if "--enable-threads" in message]) == expected


@pytest.mark.parametrize(
    ("process", "expected"),
    [({}, True), ({"worker_id": 2}, False), ({"mule_id": 1}, False), ({"i_am_the_spooler": True}, False)],
    ids=["master", "worker", "mule", "spooler"],
)
def test_only_the_process_that_forks_is_one(
    process: dict[str, int], *, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of an app's own that has this name is nothing of uWSGI's."""
    monkeypatch.delitem(sys.modules, "uwsgi", raising=False)
    assert not forks.is_forked_by_uwsgi()
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace())
    assert not forks.is_forked_by_uwsgi()
    place_uwsgi(monkeypatch, **process)
    assert forks.is_forked_by_uwsgi() is expected


def test_the_master_starts_no_thread_and_leaves_its_runs_to_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also the starts of runs that are still open, and whatever the run asks for."""
    server = TinyServer()
    place_uwsgi(monkeypatch)
    measure = sending(server, state_dir=tmp_path, confirm_start="server")
    for _ in range(3):
        run(measure, "before")
    with measure.run("open"):
        assert not threads()
        assert not server.requests
        ready = b"".join(path.read_bytes() for path in tmp_path.glob("ready/*.lp"))
        assert ready.count(b'status="end"') == 3
        assert b"job=open" in ready
        place_uwsgi(monkeypatch, worker_id=1)
        other = sending(server, state_dir=tmp_path)
        run(other, "other")
        assert other.flush(20)
    assert threads() == [THREAD]
    assert measure.close(20)
    assert sorted(delivered(server)) == ["before", "before", "before", "open", "other"]
    server.close()


def test_flush_in_the_master_sends_and_tells_the_truth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It sends on its own thread; what the server refuses waits for the workers."""
    server = TinyServer()
    place_uwsgi(monkeypatch)
    measure = sending(server, state_dir=tmp_path)
    assert measure.flush(1)
    run(measure, "first")
    assert measure.flush(20)
    assert delivered(server) == ["first"]
    server.always = Reply(503)
    run(measure, "second")
    assert not measure.flush(20)
    assert segments(tmp_path)
    server.always = Reply()
    run(measure, "third")
    assert measure.close(20)
    assert {"first", "second", "third"} <= set(delivered(server))
    assert not threads()
    server.close()


def test_flush_waits_for_what_was_left_to_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A master that has become a worker sends its own points first, and then those that it left."""
    server = TinyServer()
    place_uwsgi(monkeypatch)
    measure = sending(server, state_dir=tmp_path)
    run(measure, "left")
    place_uwsgi(monkeypatch, worker_id=1)
    shipper = measure.pipeline.ship()

    def hold() -> None:
        server.during = int
        until(lambda: bool(shipper._waiters), "a flush waits")

    server.during = hold
    with measure.run("own"):
        assert measure.flush(60)
        assert delivered(server) == ["left"]
    assert measure.close(20)
    server.close()


def test_in_memory_the_master_keeps_its_runs_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other process can take them."""
    server = TinyServer()
    place_uwsgi(monkeypatch)
    measure = sending(server, state_dir="memory")
    run(measure, "kept")
    assert not server.requests
    assert measure.close(20)
    assert delivered(server) == ["kept"]
    server.close()


def test_a_master_without_a_server_has_its_runs_in_the_history(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two thousand runs, more than there are slots, keep their timestamps apart."""
    place_uwsgi(monkeypatch)
    measure = JobMeasure(state_dir=tmp_path)
    for _ in range(2000):
        run(measure, "many")
    lines = {line for path in segments(tmp_path) for line in path.read_bytes().splitlines()}
    points = [line for line in lines if line.startswith(b"scheduling-job,")]
    assert len({point.rpartition(b" ")[2] for point in points}) == len(points) == 4000
    assert len(history(tmp_path)) == 2000
    assert measure.close(20)


def test_what_cannot_be_left_to_others_stays_until_it_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning says so, and the next run tries again."""
    server = TinyServer()
    place_uwsgi(monkeypatch)
    measure = sending(server, state_dir=tmp_path)
    with measure.run("first"):
        (tmp_path / "ready").rename(tmp_path / "elsewhere")
        (tmp_path / "ready").touch()
    assert any("points wait until this process ends" in words for words in said(caplog))
    (tmp_path / "ready").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "ready")
    assert not b"".join(path.read_bytes() for path in tmp_path.glob("ready/*.lp")).count(b'status="end"')
    run(measure, "second")
    ready = b"".join(path.read_bytes() for path in tmp_path.glob("ready/*.lp"))
    assert ready.count(b'status="end"') == 2
    assert measure.close(20)
    assert sorted(delivered(server)) == ["first", "second"]
    server.close()
