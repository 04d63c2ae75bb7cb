"""`flush`, `close` and `health`, and what becomes of points before, between and after them."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure, Settings
from otel_job_measure.clock import SystemClock
from otel_job_measure.delivery import influxdb
from otel_job_measure.runtime import pipeline as runtime_pipeline
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.settings import Arguments
from tests.delivery.support import Reply, TinyServer
from tests.runtime.support import DEAD, delivered, history, run, said, segments, sending, stays, there
from tests.support.ours import left_threads
from tests.support.processes import until


class TestWithoutADestination:
    def test_flush_is_true_when_all_is_on_disk(self, state_dir: Path) -> None:
        """There is nothing to wait for, before the first run, after it and inside one."""
        measure = JobMeasure()
        assert measure.flush(0)
        with measure.run("nightly"):
            assert measure.flush(0)
            [segment] = segments(state_dir)
            assert 'status="start"' in segment.read_text()
        assert measure.flush(0)

    def test_close_puts_everything_into_the_history(self, state_dir: Path) -> None:
        """Afterwards there is no segment, no thread, and the slot is free."""
        measure = JobMeasure()
        run(measure, "nightly")
        assert measure.close()
        assert segments(state_dir) == []
        assert left_threads() == []
        assert history(state_dir) == [("nightly", "end", None)]

    def test_close_before_the_first_run_has_nothing_to_send(self, state_dir: Path) -> None:
        """It says so, and makes no file."""
        assert JobMeasure().close()
        assert not state_dir.exists()

    def test_health_has_nothing_to_tell(self) -> None:
        """Nothing is on its way, since there is no way."""
        measure = JobMeasure()
        run(measure, "nightly")
        health = measure.health()
        assert (health.reachable, health.last_success, health.oldest_pending_s) == (None, None, None)
        assert (health.delivered, health.pending, health.rejected, health.expired) == (0, 0, 0, 0)
        assert health.dropped == {}


class TestWithADestination:
    def test_flush_waits_for_the_server(self, server: TinyServer) -> None:
        """It is true when the server has every point, and health tells how many."""
        measure = sending(server)
        run(measure, "nightly")
        assert measure.flush(10)
        assert delivered(server) == ["nightly"]
        health = measure.health()
        assert (health.reachable, health.delivered, health.pending) == (True, 3, 0)
        assert health.last_success is not None

    def test_flush_is_false_where_the_server_is_not_there(self) -> None:
        """The points are counted as pending, and the thread goes on."""
        measure = JobMeasure(**there(DEAD))
        run(measure, "nightly")
        assert not measure.flush(0.2)
        until(lambda: measure.health().reachable is False, "a refused connection")
        health = measure.health()
        assert (health.delivered, health.pending) == (0, 3)
        assert (health.oldest_pending_s or 0) > 0

    def test_what_close_cannot_send_waits_for_others(self, state_dir: Path) -> None:
        """`close` says that not all was sent, as often as it is asked; the segment is in `ready/`."""
        measure = JobMeasure(**there(DEAD))
        run(measure, "nightly")
        assert not measure.close(0.5)
        assert not measure.close(0.5)
        [segment] = segments(state_dir)
        assert segment.parent.name == "ready"
        assert segment.name.startswith(f"{measure.settings.destination_id}-")

    def test_what_one_leaves_the_next_one_sends(self, server: TinyServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """A later journal of the same destination sends what is in `ready/`."""
        # The first answer ends its last attempt, so that no request is under way any more.
        monkeypatch.setattr(runtime_pipeline, "dies_with_process", stays)
        server.always = Reply(503)
        first = sending(server)
        run(first, "first")
        assert not first.close(60)
        server.always = Reply(204)
        server.requests.clear()
        run(first, "second")
        assert first.close(10)
        assert sorted(delivered(server)) == ["first", "second"]

    def test_close_sends_everything(self, server: TinyServer, state_dir: Path) -> None:
        """A `close` right after a run has it delivered, with no segment left, and is as true the second time."""
        measure = sending(server)
        run(measure, "nightly")
        assert measure.close(10)
        assert measure.close(10)
        assert delivered(server) == ["nightly"]
        assert segments(state_dir) == []
        assert left_threads() == []

    def test_a_second_run_is_delivered_as_surely_as_the_first(self, server: TinyServer) -> None:
        """Before, after a flush, after a close, after another: each run is there in the end, once."""
        measure = sending(server)
        for name in ("a", "b"):
            run(measure, name)
        assert measure.flush(10)
        run(measure, "c")
        assert measure.close(10)
        run(measure, "d")
        assert measure.flush(10)
        run(measure, "e")
        assert measure.close(10)
        assert delivered(server) == ["a", "b", "c", "d", "e"]
        assert measure.health().delivered == 15

    def test_two_destinations_of_one_process_keep_apart(self, server: TinyServer) -> None:
        """Each bucket gets the runs that were meant for it."""
        for bucket in ("b", "c"):
            measure = sending(server, influxdb_bucket=bucket)
            run(measure, f"to-{bucket}")
            assert measure.close(10)
        found = {request.path.partition("bucket=")[2][0]: request.lines[0] for request in server.requests}
        assert {bucket: line.partition(b"job=")[2][:4] for bucket, line in found.items()} == {
            "b": b"to-b",
            "c": b"to-c",
        }

    def test_a_start_is_sent_while_its_job_runs(self, server: TinyServer) -> None:
        """A flush inside the job is true when the server has the start."""
        measure = sending(server)
        with measure.run("nightly") as opened:
            assert measure.flush(10)
            [line] = [line for request in server.requests for line in request.lines]
            assert opened.uuid.encode() in line

    def test_a_confirmed_start_is_there_before_the_job(self, server: TinyServer) -> None:
        """With `confirm_start` the job's first line comes after the server has its start."""
        measure = sending(server, confirm_start="server", confirm_timeout_s=30)
        with measure.run("nightly"):
            assert len(server.requests) == 1

    def test_a_start_is_confirmed_to_a_coroutine_too(self, server: TinyServer) -> None:
        """The same in an event loop, which is not held up."""
        measure = sending(server, confirm_start="server", confirm_timeout_s=30)

        async def main() -> int:
            async with measure.run("nightly"):
                return len(server.requests)

        assert asyncio.run(main()) == 1


class TestShipOff:
    def test_nothing_is_sent(self, server: TinyServer, state_dir: Path) -> None:
        """`flush` and `close` are true when all is on disk, from where `ship` takes it."""
        measure = sending(server, ship=False)
        run(measure, "nightly")
        assert measure.flush(0)
        assert measure.close(5)
        assert server.requests == []
        [segment] = segments(state_dir)
        assert segment.parent.name == "ready"

    def test_without_a_url_it_is_for_whoever_ships(self, state_dir: Path) -> None:
        """Neither a URL nor a token is needed."""
        measure = JobMeasure(ship=False, history=False)
        run(measure, "nightly")
        assert measure.close(5)
        [segment] = segments(state_dir)
        assert segment.name.startswith("any-")


class TestInMemory:
    def test_it_delivers_and_makes_no_file(self, server: TinyServer, state_dir: Path) -> None:
        """`memory` is delivered as files are."""
        measure = sending(server, state_dir="memory")
        run(measure, "nightly")
        assert measure.flush(10)
        assert measure.close(10)
        assert delivered(server) == ["nightly"]
        assert not state_dir.exists()
        assert measure.health().dropped == {}

    def test_what_is_not_delivered_ends_with_it(self) -> None:
        """Points that end with their process are counted as dropped."""
        measure = JobMeasure(**there(DEAD, state_dir="memory"))
        run(measure, "nightly")
        assert not measure.flush(0)
        assert not measure.close(0.2)
        assert measure.health().dropped == {"memory": 3}


def test_a_run_that_is_open_at_a_close_goes_on(state_dir: Path) -> None:
    """Its slot stays locked, so no recovery pass ends it as lost, and its end is written."""
    measure = JobMeasure()
    with measure.run("long"):
        run(measure, "short")
        assert measure.close()
        assert history(state_dir) == [("long", "running", None), ("short", "end", None)]
    assert measure.close()
    assert history(state_dir) == [("long", "end", None), ("short", "end", None)]
    assert segments(state_dir) == []


@pytest.mark.parametrize("more", [{}, {"state_dir": "memory"}], ids=["files", "memory"])
def test_a_run_in_another_thread_while_it_closes_is_not_lost(
    server: TinyServer, more: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is appended after the shipper has looked for the last time is sent by another one."""
    measure = sending(server, **more)
    run(measure, "early")
    shipping = measure.pipeline._shipper
    assert shipping is not None
    close = shipping.close

    def interrupted(timeout_s: float, *, dies_with_process: bool) -> bool:
        done = close(timeout_s, dies_with_process=dies_with_process)
        run(measure, "late")
        return done

    monkeypatch.setattr(shipping, "close", interrupted)
    assert measure.close(10)
    assert measure.flush(10)
    assert set(delivered(server)) == {"early", "late"}


def test_what_is_appended_between_the_last_look_and_the_close_is_kept(state_dir: Path) -> None:
    """The journal compares its end with the last position delivered, and leaves the segment to another process."""
    pipeline = Pipeline(Settings(state_dir=state_dir), ships=False)
    pipeline.journal.begin("a", b'scheduling-job,job=a status="start",uuid="a" 1\n')
    pipeline.journal.finish("a", b'scheduling-job,job=a status="end",uuid="a" 2\n')
    mark = pipeline.journal.tail()
    pipeline.journal.begin("b", b'scheduling-job,job=b status="start",uuid="b" 3\n')
    pipeline.journal.finish("b", b'scheduling-job,job=b status="end",uuid="b" 4\n')
    pipeline.journal.close(delivered=True, until=mark)
    assert [path.parent.name for path in segments(state_dir)] == ["ready"]


def test_a_close_waits_for_another_no_longer_than_it_may(server: TinyServer) -> None:
    """The second call returns False: delivery is still under way."""
    measure = sending(server)
    asked, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        go_on.wait(30)

    server.during = hold
    run(measure, "nightly")
    asked.wait(30)
    first = threading.Thread(target=measure.close, args=(30,))
    first.start()
    while not measure.pipeline._is_closed:
        first.join(0.001)
    assert not measure.close(0)
    go_on.set()
    first.join()
    assert measure.close(0)


def test_two_closes_at_once_end_together(server: TinyServer) -> None:
    """The second waits for the first, and both tell the same."""
    measure = sending(server)
    asked, go_on = threading.Event(), threading.Event()
    told: list[bool] = []

    def hold() -> None:
        asked.set()
        go_on.wait(30)

    server.during = hold
    run(measure, "nightly")
    closing = [threading.Thread(target=lambda: told.append(measure.close(30))) for _ in range(2)]
    asked.wait(30)
    for thread in closing:
        thread.start()
    go_on.set()
    for thread in closing:
        thread.join()
    assert told == [True, True]


def test_a_bug_of_ours_in_flush_or_close_is_logged_and_no_more(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The app gets a False."""
    measure = JobMeasure()

    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(Pipeline, "flush", broken)
        patched.setattr(Pipeline, "close", broken)
        assert not measure.flush(1)
        assert not measure.close(1)
    assert [words.partition(" failed")[0] for words in said(caplog)] == ["flushing points", "closing the journal"]


def test_what_waits_in_memory_is_not_flushed(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an append fails the points wait, and `flush` is false until they are written."""
    measure = JobMeasure()
    run(measure, "first")
    journal = measure.pipeline.journal
    handle = journal._life.handle
    assert handle is not None

    def full(_data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(handle.store, "write", full)
        run(measure, "second")
        assert not measure.flush(0)
        assert journal.waiting == 2
    assert measure.flush(0)
    assert history(state_dir) == [("first", "end", None), ("second", "end", None)]


def test_a_point_that_is_just_being_written_does_not_make_flush_false(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process whose threads always write some point, `flush` would hardly ever be true."""
    measure = JobMeasure()
    run(measure, "first")
    handle = measure.pipeline.journal._life.handle
    assert handle is not None
    write, flushed = handle.store.write, list[bool]()

    def flushes(data: bytes) -> bool:
        flushed.append(measure.flush(0))
        return write(data)

    with monkeypatch.context() as patched:
        patched.setattr(handle.store, "write", flushes)
        run(measure, "second")
    assert flushed == [True, True]


def test_a_close_that_cannot_put_things_away_harms_nobody(state_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the state directory has been exchanged for a file, it is said in the log, and that's all."""
    measure = JobMeasure(ship=False, history=False)
    run(measure, "nightly")
    (state_dir / "ready").rmdir()
    (state_dir / "ready").write_text("")
    measure.close(1)
    assert any("could not be moved to ready/" in words for words in said(caplog))


def test_where_the_client_cannot_be_loaded_points_wait(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path, server: TinyServer
) -> None:
    """The job runs, and another process finds its segment."""
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "otel_job_measure.delivery.influxdb.client", None)
        patched.delattr(influxdb, "client", raising=False)
        measure = sending(server)
    run(measure, "nightly")
    assert not measure.flush(0.1)
    assert measure.health().reachable is None
    assert not measure.close(0.1)
    assert [path.parent.name for path in segments(state_dir)] == ["ready"]


def test_the_clock_of_a_test_is_the_journals(state_dir: Path) -> None:
    """A pipeline can be given a clock; all times of its rows come from it."""

    class Late(SystemClock):
        wall_ns = staticmethod(lambda: 1_900_000_000_000_000_000)

    pipeline = Pipeline(Settings(state_dir=state_dir), ships=False, clock=Late())
    assert 1_900_000_000 <= pipeline.journal.stamp() // 10**9 <= 1_900_000_060
