"""The process of a command: `exec` passes its signals on to the command and ends as the command ended.

From `hold_signals` on, every signal that may be meant for the command is blocked here. It waits until the command is
started; then `Child.wait` passes it on. One thread passes signals on and reaps the command, so a signal never reaches
another process that got the command's number.

A signal that the whole process group got, from a terminal (Ctrl-C, a new size) or a process, is not passed on: the
command has it already. Stopping and continuing (Ctrl-Z, `fg`) are left to the kernel's defaults: they too reach the
whole group.

If this process is the first of a container, orphans become its children. It reaps them.
"""

import os
import resource
import signal
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from types import FrameType
from typing import Final, NamedTuple, NoReturn

from otel_job_measure.cli.exec import sentinel
from otel_job_measure.cli.exec.arrivals import HELD, Arrivals
from otel_job_measure.cli.exec.spawn import HeldCommand
from otel_job_measure.cli.exec.time_limit import EXCEEDED, KILLED, TimeLimit
from otel_job_measure.errors import JobMeasureError
from otel_job_measure.journal.rights import Rights

_KEEP_UP_S: Final = 10.0
_TO_LEAVE: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class Ending(NamedTuple):
    """How a process ended: its exit code, as a shell sees it, and the signal that killed it, if one did."""

    code: int
    signal: int | None = None
    timed_out: bool = False
    """Whether it has exceeded its time limit; the exit code is then that of `exec`, and the signal is none."""


def fill_closed_files() -> None:
    """Opens closed standard files on /dev/null, so that no file of the package gets their numbers."""
    while (filler := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= 2:  # noqa: PLR2004 - the number of stderr
        pass
    os.close(filler)


def ignored(told: Collection[int]) -> frozenset[int]:
    """Returns the signals that this process was started with as ignored, if `told` are those that Python changed.

    Call it before `hold_signals`.
    """
    return frozenset(told) | {number for number in (signal.SIGCHLD,) if signal.getsignal(number) is signal.SIG_IGN}


def hold_signals() -> None:
    """Blocks every signal that may be meant for the command.

    Threads started later inherit it. It raises `JobMeasureError` if the system cannot tell which process sent a signal.
    """
    if not hasattr(signal, "sigtimedwait"):
        raise JobMeasureError("this system has no sigtimedwait")
    # If the parent ignores SIGCHLD, the system forgets exit codes.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback if the command replaces this process
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


class Child:
    """A command that is started while signals are held.

    `rights` are those that this process was started with. `keep_up` is called every ten seconds while the command runs,
    `note` at once by the thread that sees the command's end. Neither may raise. The constructor raises
    `spawn.NotStarted` as `HeldCommand.let_go` does.
    """

    def __init__(
        self,
        held: HeldCommand,
        rights: Rights | None,
        manager: int | None,
        keep_up: Callable[[], None],
        note: Callable[[Ending], None],
    ) -> None:
        self.pid = held.pid
        self._rights = rights
        self.ending: Ending | None = None
        """How the command ended, as soon as that is known."""
        self._keep_up = keep_up
        self._note = note
        self._sentinel = sentinel.start(HELD, rights)
        self._arrivals = Arrivals(held.pid, self._sentinel, manager)
        # The command has not seen what came before its process was there, not even from a terminal. What came to both
        # since then is pending there too, and stays one signal.
        for number in self._arrivals.settle():
            if number != signal.SIGCHLD:
                self._pass_on(number)
        try:
            held.let_go()
        except BaseException:
            self._end_sentinel()
            raise

    def wait(self, limit: TimeLimit, meanwhile: Callable[[], None] | None = None) -> Ending:
        """Passes signals on until the command has ended and is reaped; signals are still held then.

        If there is something to do `meanwhile`, this thread does it, and another one watches the command.
        """
        if meanwhile is None:
            return self._watch(limit)
        endings: list[Ending] = []
        watch = threading.Thread(target=lambda: endings.append(self._watch(limit)), name="exec-watch", daemon=True)
        try:
            watch.start()
        except RuntimeError:  # the system has no thread to give: the command comes first
            endings.append(self._watch(limit))
            meanwhile()
        else:
            meanwhile()
            watch.join()
        return endings[0]

    def _watch(self, limit: TimeLimit) -> Ending:
        while (ending := _looked(self.pid, os.WNOHANG)) is None:
            for number in limit.due():
                self._pass_on(number)
            info = signal.sigtimedwait(HELD, limit.wait_s(_KEEP_UP_S))
            if info is None:
                self._keep_up()
            elif info.si_signo == signal.SIGCHLD:
                self._reap_others()
            else:
                for _ in range(self._arrivals.to_pass_on(info)):
                    self._pass_on(info.si_signo)
        if limit.is_exceeded:
            code = KILLED if ending.signal == signal.SIGKILL else EXCEEDED
            ending = Ending(code=code, timed_out=True)
        self.ending = ending
        self._note(ending)
        self._end_sentinel()
        return ending

    def _pass_on(self, number: int) -> None:
        try:
            os.kill(self.pid, number)
        except PermissionError:  # the command has changed its user, and this process may have given up root's rights
            if self._rights is not None and self._rights != Rights.of_this_process():
                _kill_as(self._rights, self.pid, number)

    def _reap_others(self) -> None:
        while (change := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if change.si_pid == self.pid:
                return
            if self._sentinel is not None and change.si_pid == self._sentinel.pid:
                self._sentinel.is_reaped = True
            with suppress(ChildProcessError):
                os.waitpid(change.si_pid, os.WNOHANG)

    def _end_sentinel(self) -> None:
        if self._sentinel is not None:
            self._sentinel.end()
            self._sentinel = None


def _kill_as(rights: Rights, pid: int, number: int) -> None:
    """Sends a signal from a child process with other rights: other threads of this one are not to get them."""
    with suppress(OSError):
        child = os.fork()
        if not child:
            try:
                rights.take()
                os.kill(pid, number)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


def ending_of(pid: int) -> Ending:
    """Waits for the end of a process and reaps it; without any signal being passed on."""
    while (ending := _looked(pid, 0)) is None:
        pass
    return ending


def _looked(pid: int, how: int) -> Ending | None:
    change = os.waitid(os.P_PID, pid, os.WEXITED | how)
    if change is None:
        return None
    if change.si_code == os.CLD_EXITED:
        return Ending(code=change.si_status)
    return Ending(code=128 + change.si_status, signal=change.si_status)


def leave_on_signals(ending: Ending) -> None:
    """Lets SIGTERM and its like end this process at once, as the command ended; other processes can send the rest."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        if ending.signal is not None:
            die_of(ending.signal)
        os._exit(ending.code)

    while signal.sigtimedwait(HELD, 0) is not None:
        pass  # these were meant for the command
    for number in _TO_LEAVE:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, leave)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TO_LEAVE)


def die_of(number: int) -> NoReturn:
    """Ends this process by the signal that killed the command, without a core dump of its own.

    If the signal does not kill this process, as for the first one of a container, its exit code is a shell's.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    # A limit of 1 also keeps Linux from piping a dump to a program; 0 does not.
    resource.setrlimit(resource.RLIMIT_CORE, (min(1, most) if most >= 0 else 1, most))
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)
