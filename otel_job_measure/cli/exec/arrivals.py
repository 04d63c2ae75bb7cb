"""Tells which signals that reach the wrapper are meant for the command and have not reached it yet."""

import os
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from otel_job_measure.cli.exec.sentinel import Sender, Sentinel

_OWN: Final = {
    signal.Signals[f"SIG{name}"] for name in ["BUS", "FPE", "ILL", "PIPE", "SEGV", "SYS", "TRAP", "XCPU", "XFSZ"]
}
"""Faults and limits of this process, and what Python ignores so that a write fails instead."""
_JOB_CONTROL: Final = {signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
HELD: Final = frozenset(signal.valid_signals() - _OWN - _JOB_CONTROL - {signal.SIGKILL})
"""The signals that are held for the command."""
_FROM_A_TERMINAL: Final = {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH}
_LOOKS: Final = 100
_LOOK_S: Final = 0.001


def service_manager(environment: Mapping[bytes, bytes]) -> int | None:
    """Returns the number of the systemd that started this process, if one did; the user's says which it is."""
    if b"INVOCATION_ID" not in environment:
        return None
    with suppress(ValueError):
        return int(environment.get(b"MANAGERPID", b"1"))
    return None


class Arrivals:
    """The signals that reach the wrapper of a command while they are held.

    The service `manager` sends one signal to each process of a unit in turn, the wrapper first. GNU timeout sends one
    to its child, then to the group that it leads. What comes from these gets a tenth of a second to reach the sentinel.
    """

    def __init__(self, command: int, sentinel: Sentinel | None, manager: int | None) -> None:
        self._command = command
        self._sentinel = sentinel
        self._manager = manager

    def to_pass_on(self, info: "signal.struct_siginfo") -> int:
        """Returns how many times a signal that has come is to be sent to the command; it may take further ones."""
        sender = _sender(info)
        if self._sentinel is None or not self._sentinel.answers:
            return int(sender.pid != self._command and not _came_to_all(info))
        mine, group = self._settled(self._sentinel, info.si_signo, sender)
        if info.si_code <= 0 and os.getpgid(self._command) != os.getpgrp():
            group = []  # the command has left the group, and without the wrapper it would have this process's number
        foreign = [one for one in mine if one.pid != self._command]
        if info.si_signo < signal.SIGRTMIN:  # what came at once is one signal, as for any process
            return int(not set(foreign) <= set(group))
        return (Counter(foreign) - Counter(group)).total()

    def settle(self) -> Sequence[int]:
        """Returns all that has come until now, and has the sentinel forget it; the command has yet to begin."""
        came: list[int] = []
        while True:
            while (info := signal.sigtimedwait(HELD, 0)) is not None:
                came.append(info.si_signo)
            if self._sentinel is None or self._sentinel.took() is None:
                return came

    def _settled(self, sentinel: Sentinel, number: int, sender: Sender) -> tuple[list[Sender], list[Sender]]:
        """Returns the senders of one signal, to the wrapper and to the group, until none to the group is pending.

        A signal to the group that comes meanwhile is in both: the wrapper's is taken before the last look at the
        sentinel's.
        """
        mine, group = [sender], list[Sender]()
        # The kernel holds the lock that this call takes until it has sent a signal to all of a group.
        with suppress(OSError):
            os.setpgid(0, os.getpgrp())
        looks = _LOOKS if sender.pid in (self._manager, _leading_parent()) else 0
        while True:
            while (found := sentinel.took(number)) is not None:
                looks = 0
                group.append(found)
                while (info := signal.sigtimedwait({number}, 0)) is not None:
                    mine.append(_sender(info))
            if not looks:
                return mine, group
            looks -= 1
            time.sleep(_LOOK_S)


def _leading_parent() -> int | None:
    return parent if (parent := os.getppid()) == os.getpgrp() else None


def _sender(info: "signal.struct_siginfo") -> Sender:
    return Sender(info.si_pid, info.si_uid, info.si_code)


def _came_to_all(info: "signal.struct_siginfo") -> bool:
    """Returns whether a terminal sent a signal, which then has reached the command too; for want of a sentinel."""
    if info.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid():
        return False  # a terminal that closes tells only the leader of its session: this process
    return info.si_code > 0 and info.si_signo in _FROM_A_TERMINAL  # above 0: from the kernel
