import asyncio
import os
import signal
import threading

import pytest

from otel_job_measure.journal.interfaces import Position
from tests.delivery.ship import LONG_S, Ship, no_threads
from tests.delivery.support import HOLD, RETRY, line, segment
from tests.support.ours import left_threads


def test_close_sends_what_is_there_and_ends_the_thread(ship: Ship) -> None:
    """After close everything is delivered, the sink closed and the thread gone; a second close changes nothing."""
    held = threading.Event()
    ship.sink.during = lambda: held.wait(LONG_S) and None
    for number in range(3):
        ship.append(number)
    held.set()
    assert ship.shipper.close(LONG_S)
    assert ship.sink.lines == [line(number) for number in range(3)]
    assert ship.sink.closed == 1
    assert left_threads() == []
    assert ship.shipper.close(LONG_S)
    assert ship.sink.closed == 1
    assert ship.shipper.wait_for(ship.source.tail(), LONG_S)
    assert not ship.shipper.wait_for(Position(5, 5), LONG_S)


def test_close_takes_no_longer_than_it_may(ship: Ship) -> None:
    """A request that hangs delays neither the end of a process nor a flush at the same time."""
    held = threading.Event()
    begun = threading.Event()

    def hang() -> None:
        begun.set()
        held.wait(LONG_S)

    ship.sink.during = hang
    ship.append(1)
    assert begun.wait(LONG_S)
    assert not ship.shipper.close(0.05)
    assert not ship.shipper.close(0.05)
    held.set()
    assert ship.shipper.close(LONG_S)


def test_close_without_a_point_does_nothing() -> None:
    """A process that measured nothing doesn't look into the state directory at its end."""
    ship = Ship()
    ship.source.others = [segment("left", line(1))]
    ship.shipper.close(LONG_S)
    assert (ship.source.looked, ship.source.adopted, ship.sink.batches) == (0, 0, [])
    assert ship.sink.closed == 1
    ship.append(1)
    assert left_threads() == []


def test_who_waits_is_told_when_it_is_over(ship: Ship) -> None:
    """A flush that runs while another thread closes ends with it."""
    ship.sink.always = RETRY
    mark = ship.append(1)
    found: list[bool] = []
    flushing = threading.Thread(target=lambda: found.append(ship.shipper.wait_for(mark, 3600)))
    flushing.start()
    ship.shipper.close(LONG_S)
    flushing.join(LONG_S)
    assert found == [False]


def test_without_threads_close_delivers_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where no thread can be started, points wait until the end and are sent on the caller's thread then."""
    ship = Ship()
    with no_threads(monkeypatch):
        ship.append(1)
        ship.append(2)
        assert ship.sink.lines == []
        assert ship.shipper.close(LONG_S)
    assert ship.sink.lines == [line(1), line(2)]
    assert len([record for record in caplog.records if "no thread can be started" in record.message]) == 1


def test_without_threads_a_flush_returns_false(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, a flush sends nothing and says so, until there can be one."""
    ship = Ship()
    with no_threads(monkeypatch):
        mark = ship.append(1)
        assert not ship.shipper.wait_for(mark, LONG_S)
        assert not asyncio.run(ship.shipper.wait_for_async(ship.source.tail(), LONG_S))
        assert ship.sink.lines == []
    ship.shipper._start_after_ns = 0
    assert ship.shipper.wait_for(ship.append(2), LONG_S)
    assert ship.shipper.close(LONG_S)
    assert ship.sink.lines == [line(1), line(2)]


def test_a_close_inside_a_close_that_delivers_itself_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler that closes while its thread delivers does not wait for itself."""
    ship = Ship()
    seen: list[bool] = []
    with no_threads(monkeypatch):
        ship.append(1)
        ship.sink.during = lambda: seen.append(ship.shipper.close(LONG_S)) if not seen else None
        assert ship.shipper.close(LONG_S)
    assert seen == [False]
    assert ship.sink.closed == 1


def test_what_dies_with_the_process_is_tried_until_the_end(ship: Ship) -> None:
    """In memory a failure doesn't end the attempt."""
    ship.sink.answers = [RETRY, RETRY]
    ship.append(1)
    assert ship.shipper.close(LONG_S, dies_with_process=True)
    assert ship.sink.lines == [line(1)]


def test_what_survives_the_process_is_tried_once(ship: Ship) -> None:
    """On disk the first failure is the last attempt."""
    ship.sink.always = HOLD
    ship.append(1)
    assert ship.is_known_down()
    tried = len(ship.sink.batches)
    assert not ship.shipper.close(LONG_S)
    assert len(ship.sink.batches) == tried + 1


def test_the_thread_asks_itself_without_a_deadlock(ship: Ship) -> None:
    """A finalizer of the app that runs on the shipper's thread can flush and close: it returns at once."""
    seen: list[bool] = []

    def finalizer() -> None:
        if not seen:
            seen.append(ship.shipper.wait_for(ship.source.tail(), LONG_S))
            seen.append(ship.shipper.close(LONG_S))

    ship.sink.during = finalizer
    mark = ship.append(1)
    ship.shipper.wait_for(mark, LONG_S)
    assert ship.shipper.close(LONG_S)
    assert seen == [False, False]
    assert ship.sink.lines == [line(1)]


def test_in_a_forked_child_the_parents_shipper_does_nothing(ship: Ship) -> None:
    """A child that closes or flushes what it inherited gets an answer at once, and sends nothing of its parent's."""
    mark = ship.append(1)
    assert ship.shipper.wait_for(mark, LONG_S)
    batches = len(ship.sink.batches)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # it doesn't wait for what is not there
        ship.shipper.wake()
        ship.append(2)
        nothing = not ship.shipper.wait_for(ship.source.tail(), 3600) and not ship.shipper.close(3600)
        os._exit(0 if nothing and len(ship.sink.batches) == batches and ship.sink.closed == 0 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_bug_at_the_end_is_no_bug_of_the_process(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails while the process ends, close comes back."""
    ship = Ship()

    def broken(*_args: object, **_more: object) -> None:
        raise ZeroDivisionError("oops")

    ship.shipper._loop.finish = broken  # type: ignore[method-assign]
    ship.append(1)
    assert not ship.shipper.close(LONG_S)
    assert ship.sink.closed == 1
    assert "delivering the last points failed" in caplog.text
