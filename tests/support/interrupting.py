"""A timer whose handler runs at whatever line the main thread is at."""

import contextlib
import signal
from collections.abc import Callable, Generator


@contextlib.contextmanager
def interrupting(handler: Callable[[], None], *, every_s: float = 0.0005) -> Generator[None]:
    """Calls `handler` in the main thread, again and again, while the block uses the processor.

    SIGALRM is left alone: the test runner's own time-out needs it.
    """
    signal.signal(signal.SIGVTALRM, lambda _signal, _frame: handler())
    signal.setitimer(signal.ITIMER_VIRTUAL, every_s, every_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, signal.SIG_IGN)  # one may still be on its way
