"""`check --every` and `ship --check`: one look after another, until it is stopped."""

import argparse
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final, Protocol

from otel_job_measure.cli import check, check_text, options
from otel_job_measure.cli.checker import Checker
from otel_job_measure.delivery.flush_waiters import Bell
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.insight.check import Checked

_STOP_S: Final = 5.0


class Looks(Protocol):
    """What looks at all jobs."""

    def look(self) -> Checked:
        """Returns what holds now."""
        ...

    def tell(self, found: Checked, *, stopped: Callable[[], bool]) -> None:
        """Tells people what changed, until it is stopped."""
        ...


class CheckLoop:
    """Looks every so often. A look that takes longer delays the next one; one that fails does not end the loop.

    Args:
        checker: What looks.
        every_s: The time between the beginnings of two looks, in seconds.
        show: Prints what was found, and how long it took; called if it is not what was found before.
        complain: Says why a look failed.
        monotonic: A clock, in seconds.
        bell: What ends a wait.
    """

    def __init__(  # noqa: PLR0913 - the parts of one machine
        self,
        checker: Looks,
        every_s: float,
        *,
        show: Callable[[Checked, float], None],
        complain: Callable[[str], None] = options.complain,
        monotonic: Callable[[], float] = time.monotonic,
        bell: Bell | None = None,
    ) -> None:
        self._checker = checker
        self._every_s = every_s
        self._show = show
        self._complain = complain
        self._monotonic = monotonic
        self._bell = bell or Bell()
        self._stopped = False
        self._shown: object = None
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Looks again and again, until `stop` is called."""
        next_s = self._monotonic()
        while not self._is_over():
            try:
                untraced(self._look)
            except BrokenPipeError:  # the reader is gone
                raise
            except Exception as error:  # noqa: BLE001 - a look that fails does not end the next ones
                with suppress(OSError):  # a full disk takes no line
                    self._say(options.reason(error))
            now_s = self._monotonic()
            next_s += self._every_s * (1 + max(0.0, now_s - next_s) // self._every_s)
            while not self._is_over() and next_s > self._monotonic():
                self._bell.wait(next_s - self._monotonic())

    def start(self) -> None:
        """Runs on a thread of its own, so that a look that hangs delays nothing else."""
        self._thread = threading.Thread(target=self.run, name="otel-job-measure-check", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Waits for the end of what `start` began; a look that hangs is left behind."""
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def stop(self) -> None:
        """Has `run` come back after the present look; a signal handler may call it."""
        self._stopped = True
        self._bell.ring()

    def _is_over(self) -> bool:
        return self._stopped

    def _look(self) -> None:
        began_s = self._monotonic()
        found = self._checker.look()
        shown = check_text.comparable(found)
        if shown != self._shown:
            self._shown = shown
            try:
                self._show(found, self._monotonic() - began_s)
            finally:  # people are told also if a full disk takes no line
                self._checker.tell(found, stopped=self._is_over)
        else:
            self._checker.tell(found, stopped=self._is_over)

    def _say(self, why: str) -> None:
        if why != self._shown:
            self._shown = why
            self._complain(why)


def until_stopped(args: argparse.Namespace) -> int:
    """Checks until SIGTERM or SIGINT; a second one ends the process at once."""
    try:
        checker = Checker(args)
    except Exception as error:  # noqa: BLE001 - every failure is unknown
        print(check_text.unknown_line(options.reason(error)))
        return check_text.UNKNOWN
    loop = CheckLoop(
        checker,
        args.every,
        show=check.printing(args),
        complain=lambda why: print(check_text.unknown_line(why), flush=True),
    )

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    loop.run()
    return 0
