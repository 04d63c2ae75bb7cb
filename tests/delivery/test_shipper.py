import asyncio
import contextvars
import signal
import threading
from collections.abc import Callable

import pytest

from otel_job_measure.delivery import delivery_loop
from otel_job_measure.delivery.flush_waiters import Bell
from otel_job_measure.journal.interfaces import Position
from tests.delivery.ship import LONG_S, Ship
from tests.delivery.support import DONE, HOLD, RETRY, line
from tests.support.ours import our_threads


def test_there_is_no_thread_before_the_first_point(ship: Ship) -> None:
    """A process that measures nothing has no thread of ours, and one that does has one daemon with a name."""
    assert our_threads() == []
    mark = ship.append(1)
    assert ship.shipper.wait_for(mark, LONG_S)
    [thread] = our_threads()
    assert thread.daemon
    ship.append(2)
    assert our_threads() == [thread]


def test_points_are_delivered_without_a_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and every later point arrive without a flush, and without any other work that is due."""
    monkeypatch.setattr(delivery_loop, "MAINTAIN_S", 3600.0)
    monkeypatch.setattr(delivery_loop, "RECOVER_S", 3600.0)
    ship = Ship()
    arrived = threading.Semaphore(0)
    ship.sink.during = arrived.release
    for number in range(5):
        ship.append(number)
        assert arrived.acquire(timeout=LONG_S)
    assert ship.shipper.close(LONG_S)
    assert ship.sink.lines == [line(number) for number in range(5)]


def test_points_of_many_threads_are_all_delivered(ship: Ship) -> None:
    """No wake-up is lost, whichever thread appends."""
    lock = threading.Lock()

    def job(first: int) -> None:
        for number in range(first, first + 200):
            with lock:
                ship.append(number)

    jobs = [threading.Thread(target=job, args=(first * 1000,)) for first in range(4)]
    for thread in jobs:
        thread.start()
    for thread in jobs:
        thread.join()
    assert ship.shipper.wait_for(ship.source.tail(), LONG_S)
    assert len(ship.sink.lines) == len(set(ship.sink.lines)) == 800
    assert len(ship.sink.batches) < 800


def test_waiting_takes_no_longer_than_it_may(ship: Ship) -> None:
    """While the sink fails, a wait ends with its time, and tells that the points aren't there."""
    ship.sink.always = RETRY
    mark = ship.append(1)
    assert not ship.shipper.wait_for(mark, 0.05)
    assert not ship.shipper._waiters


def test_a_flush_tries_at_once(ship: Ship) -> None:
    """A flush after the server is back does not wait for the backoff to end."""
    ship.sink.answers = [HOLD]
    mark = ship.append(1)
    assert ship.is_known_down()
    assert ship.shipper.wait_for(mark, LONG_S)


def test_a_confirmation_does_not_wait_for_a_server_that_is_down(ship: Ship) -> None:
    """While the server is known to be down, `unless_down` costs a job nothing and the server no request."""
    ship.sink.always = HOLD
    mark = ship.append(1)
    assert ship.is_known_down()
    requests = len(ship.sink.batches)
    assert not ship.shipper.wait_for(mark, LONG_S, unless_down=True)
    assert len(ship.sink.batches) == requests


def test_a_confirmation_ends_when_the_server_turns_out_to_be_down(ship: Ship) -> None:
    """The first failure answers all callers that wait only for a working server."""
    ship.sink.always = HOLD
    assert not ship.shipper.wait_for(ship.append(1), LONG_S, unless_down=True)


def test_waiting_in_an_event_loop_lets_others_run(ship: Ship) -> None:
    """An async job that waits for its start doesn't hold up the loop."""

    async def main() -> bool:
        held = threading.Event()
        ship.sink.during = lambda: held.wait(LONG_S) and None
        waiting = asyncio.create_task(ship.shipper.wait_for_async(ship.append(1), LONG_S))
        await asyncio.sleep(0)
        assert not waiting.done()
        held.set()  # only a loop that runs comes here
        return await waiting

    assert asyncio.run(main())


def test_waiting_in_an_event_loop_ends_in_time(ship: Ship) -> None:
    """An async wait ends with its time, with a server that is down, and by cancellation, and leaves nothing behind."""

    async def main() -> None:
        ship.sink.always = RETRY
        mark = ship.append(1)
        assert not await ship.shipper.wait_for_async(mark, 0.05)
        assert not await ship.shipper.wait_for_async(mark, LONG_S, unless_down=True)
        waiting = asyncio.create_task(ship.shipper.wait_for_async(mark, LONG_S))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert not ship.shipper._waiters


def test_an_event_loop_that_is_gone_harms_nobody(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that is closed while the answer is on its way is no error of the thread."""

    def closed(*_args: object) -> None:
        raise RuntimeError("Event loop is closed")

    async def main() -> bool:
        monkeypatch.setattr(asyncio.get_running_loop(), "call_soon_threadsafe", closed)
        return await ship.shipper.wait_for_async(ship.append(1), 0.2)

    with asyncio.Runner() as runner:
        assert runner.run(main())
        monkeypatch.undo()
    assert ship.shipper.bugs == 0
    assert ship.shipper.wait_for(ship.append(2), LONG_S)


def test_nothing_to_wait_for_is_there_at_once() -> None:
    """Before the first point, and without a server, there is nothing to wait for, and no thread is started."""
    assert Ship().shipper.wait_for(Position(0, 0), LONG_S)
    local = Ship(lazy=True)
    local.source.segments[-1].data += line(1) + b"\n"
    assert local.shipper.wait_for(local.source.tail(), LONG_S)
    assert our_threads() == []


class CountingBell(Bell):
    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Event()
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1
        super().ring()

    def wait(self, timeout_s: float) -> bool:
        self.waiting.set()
        return super().wait(timeout_s)


def test_a_local_shipper_is_not_woken_by_each_point() -> None:
    """With the history alone, points cost the job no wake-up."""
    ship = Ship(lazy=True)
    bell = CountingBell()
    ship.shipper._bell = bell
    ship.append(1)
    assert bell.waiting.wait(LONG_S)
    ship.append(2)
    assert bell.rings == 0
    assert ship.shipper.close(LONG_S)
    assert ship.sink.lines == [line(1), line(2)]


def test_a_point_in_a_signal_handler_wakes_without_a_deadlock(ship: Ship) -> None:
    """Handlers that append in the middle of an append's wake-up, or of the start of the thread, block nothing."""
    numbers = iter(range(100_000))

    def handler(_signum: int, _frame: object) -> None:
        ship.append(next(numbers))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(3000):
            ship.append(next(numbers))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert ship.shipper.wait_for(ship.source.tail(), LONG_S)


def test_a_bug_in_the_loop_ends_nothing(ship: Ship, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails inside a turn is logged, and points are delivered all the same when it is over."""
    turn = ship.shipper._loop.turn
    failed = threading.Event()

    def broken(go_on: Callable[[], bool], *, hurry: bool = False) -> None:
        if failed.is_set():
            turn(go_on, hurry=hurry)
            return
        failed.set()
        raise ZeroDivisionError("oops")

    ship.shipper._loop.turn = broken  # type: ignore[method-assign]
    assert ship.shipper.wait_for(ship.append(1), LONG_S)
    assert "delivering points failed; it is tried again" in caplog.text
    assert "ZeroDivisionError: oops" in caplog.text


def test_the_thread_has_an_empty_context(ship: Ship) -> None:
    """The sinks do not see the context variables of the first append."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("the job's")
    seen: list[str | None] = []
    ship.sink.during = lambda: seen.append(variable.get(None))
    assert ship.shipper.wait_for(ship.append(1), LONG_S)
    assert set(seen) == {None}


def test_pending_points_are_counted_and_aged(ship: Ship) -> None:
    """Health sees how many points wait, and for how long the oldest does."""
    assert (ship.shipper.pending, ship.shipper.oldest_pending_s()) == (0, None)
    ship.sink.always = RETRY
    ship.append(1, 2)
    assert ship.is_known_down()
    assert ship.shipper.pending == 2
    age_s = ship.shipper.oldest_pending_s()
    assert age_s is not None
    assert age_s >= 0
    ship.sink.always = DONE
    assert ship.shipper.wait_for(ship.source.tail(), LONG_S)
    assert (ship.shipper.pending, ship.shipper.oldest_pending_s()) == (0, None)


def test_what_is_delivered_is_known_by_name(ship: Ship) -> None:
    """The bound on the state directory deletes first what the server has."""
    ship.append(1)
    ship.source.rotate(line(2))
    ship.append(3)
    assert ship.shipper.wait_for(ship.source.tail(), LONG_S)
    ship.shipper.close(LONG_S)
    assert ship.shipper.has_delivered("own-0")
    assert not ship.shipper.has_delivered("own-1")
