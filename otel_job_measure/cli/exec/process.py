"""The process of a command: it gets the signals that come to us, and we end as it ended.

From `hold_signals` on no signal that could be for the command acts on us: it waits until the command is there and is
then passed on by `Child.wait`, which also takes note of its end. Signals are passed on and the end is taken by one
thread, so that none ever goes to a process that only has the number of the command.

What a terminal sends (Ctrl-C, Ctrl-Z, a new size) goes to the whole process group, so the command has it already.
Whether somebody else sent a signal to the group or to us alone can't be seen: it is passed on.
"""

import os
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple, NoReturn

from otel_job_measure.errors import JobMeasureError

# Faults and limits of our own process, and what Python ignores so that a write fails instead.
_OUR_OWN: Final = {
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGPIPE,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
    signal.SIGXCPU,
    signal.SIGXFSZ,
}
_HELD: Final = frozenset(signal.valid_signals() - _OUR_OWN - {signal.SIGKILL, signal.SIGSTOP})
_FROM_A_TERMINAL: Final = {
    signal.SIGCONT,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
}
_STOPS: Final = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_KEEP_UP_S: Final = 10.0
_TO_LEAVE: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class Ending(NamedTuple):
    """How a process ended.

    Args:
        code: Its exit code; what a shell makes of it where a signal killed it.
        signal: The number of the signal that killed it; None where it exited.
    """

    code: int
    signal: int | None = None


def fill_closed_files() -> None:
    """Keeps files of ours from getting the number of a closed stdin, stdout or stderr, where others would write."""
    while (filler := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= 2:  # noqa: PLR2004 - the number of stderr
        pass
    os.close(filler)


def hold_signals() -> set[signal.Signals | int]:
    """Makes every signal that could be for the command wait, in this thread and those that it starts.

    Returns:
        The signals that were blocked before: the command's mask.

    Raises:
        JobMeasureError: This system can't tell who sent a signal, so none could be passed on rightly.
    """
    if not hasattr(signal, "sigtimedwait"):
        raise JobMeasureError("this system has no sigtimedwait")
    # Where it is ignored, children vanish with their exit codes.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback where the command takes our place
    return signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)


class Child:
    """A command that was started while signals were held.

    Args:
        pid: Its process id.
        keep_up: Is called every ten seconds while the command runs; it must not raise.
        note: Is told how the command ended as soon as it has, by the thread that sees it; it must not raise.
    """

    def __init__(self, pid: int, keep_up: Callable[[], None], note: Callable[[Ending], None]) -> None:
        self.pid = pid
        self._keep_up = keep_up
        self._note = note
        # What came before the command was there has reached nobody, not even a terminal's. What a terminal sends
        # in just this moment comes twice to a process that has only begun and dies of the first.
        while (info := signal.sigtimedwait(_HELD, 0)) is not None:
            if self._is_for_it(info):
                self._pass_on(info.si_signo)

    def wait(self, meanwhile: Callable[[], None] | None = None) -> Ending:
        """Passes signals on until the command has ended.

        Args:
            meanwhile: What to do in this thread while the command runs; it must not raise. The signals are then
                another thread's business.

        Returns:
            How the command ended; it is reaped, and signals are still held.
        """
        if meanwhile is None:
            return self._watch()
        endings: list[Ending] = []
        watch = threading.Thread(target=lambda: endings.append(self._watch()), name="exec-watch", daemon=True)
        try:
            watch.start()
        except RuntimeError:  # the system has no thread for us: first the command, then the rest
            endings.append(self._watch())
            meanwhile()
        else:
            meanwhile()
            watch.join()
        return endings[0]

    def _watch(self) -> Ending:
        while True:
            ending = self._look()
            if ending is not None:
                self._note(ending)
                return ending
            info = signal.sigtimedwait(_HELD, _KEEP_UP_S)
            if info is None:
                self._keep_up()
            elif self._is_for_it(info) and not _came_to_all(info):
                self._pass_on(info.si_signo)

    def _look(self) -> Ending | None:
        """Takes every change of the command's state; stops with it."""
        flags = os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOHANG
        while (change := os.waitid(os.P_PID, self.pid, flags)) is not None:
            if change.si_code == os.CLD_EXITED:
                return Ending(code=change.si_status)
            if change.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
                return Ending(code=128 + change.si_status, signal=change.si_status)
            if change.si_code == os.CLD_STOPPED:
                self._stop_too(change.si_status)
        return None

    def _is_for_it(self, info: "signal.struct_siginfo") -> bool:
        return info.si_signo != signal.SIGCHLD and info.si_pid != self.pid

    def _pass_on(self, number: int) -> None:
        # A command with more rights than ours: who could send us a signal couldn't always have reached it either.
        with suppress(PermissionError):
            os.kill(self.pid, number)

    def _stop_too(self, number: int) -> None:
        """Stops this process as the command was stopped, so that a shell sees that its job is."""
        if not _is_job_control(number):
            return
        # In this order, since the terminal's own may be waiting already: the two become one.
        os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})  # here again when somebody lets us go on
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        while signal.sigtimedwait({signal.SIGCONT}, 0) is not None:
            pass
        peek = os.WEXITED | os.WCONTINUED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, self.pid, peek) is None:
            self._pass_on(signal.SIGCONT)  # only we were let go on


def leave_on_signals(ending: Ending) -> None:
    """Lets SIGTERM and its like end this process from now on, at once, as the command ended.

    Args:
        ending: How the command ended; it has been noted, and all that is left could be left to others.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        if ending.signal is not None:
            die_of(ending.signal)
        os._exit(ending.code)

    while signal.sigtimedwait(_HELD, 0) is not None:
        pass  # they came while there was a command, or just after
    for number in _TO_LEAVE:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TO_LEAVE)


def die_of(number: int) -> NoReturn:
    """Ends this process by a signal, so that its parent sees what it would have seen of the command.

    Args:
        number: The signal that killed the command. One that doesn't kill this process, as where it is the
            first one of a container, becomes the exit code that a shell makes of it.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    # A limit of 1 also keeps Linux from giving a dump to a program, which 0 doesn't.
    resource.setrlimit(resource.RLIMIT_CORE, (min(1, most) if most >= 0 else 1, most))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def _came_to_all(info: "signal.struct_siginfo") -> bool:
    """Tells whether a signal is a terminal's, which has sent it to the command too."""
    if info.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid():
        return False  # a terminal that goes away tells only its session's leader, which is us
    return info.si_code > 0 and info.si_signo in _FROM_A_TERMINAL  # above 0: from the kernel


def _is_job_control(number: int) -> bool:
    """Tells whether somebody at a terminal stopped the command, and so waits for this process to stop."""
    with suppress(OSError), Path("/dev/tty").open("rb", buffering=0) as terminal:
        # Some programs stop themselves by SIGSTOP at Ctrl-Z; others stop a process and let it go on by its number.
        return number in _STOPS or os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    return False
