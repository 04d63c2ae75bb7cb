"""A process of the wrapper's group that tells which signals the whole group got.

The kernel does not tell whether a signal was sent to a process or to its group. The sentinel blocks every signal, so
that one sent to the group stays pending there, and answers whether a signal is pending. It holds no file of the
wrapper's but its two pipes, and ends as soon as the wrapper's ends of them are closed, whatever closes them.

It has a command line of its own: `pkill -f NAME` means the wrapper and must not reach the sentinel.
"""

import os
import select
import signal
from collections.abc import Collection
from contextlib import suppress
from typing import Final, NamedTuple, NoReturn

from otel_job_measure.journal.rights import Rights

_TITLE: Final = b"signal-sentinel"
_PATIENCE_MS: Final = 1000
_NO: Final = b"-"
_MOST: Final = 64
"""Bytes of an answer: three numbers."""


class Sender(NamedTuple):
    """What is known of the sender of a signal."""

    pid: int
    uid: int
    code: int


class Sentinel:
    """A running sentinel. If it does not answer, it counts as gone: then no signal came to the group."""

    def __init__(self, pid: int, ask: int, heard: int) -> None:
        self.pid = pid
        self._ask = ask
        self._heard = heard
        self._answers = True
        self.is_reaped = False

    def took(self, number: int = 0) -> Sender | None:
        """Returns the sender of a pending signal, of any by default; None if none is. It is not pending afterwards."""
        if self._answers:
            with suppress(OSError, ValueError):
                os.kill(self.pid, signal.SIGCONT)  # it may have been stopped with the group
                os.write(self._ask, bytes([number]))
                waiting = select.poll()
                waiting.register(self._heard, select.POLLIN)
                said = os.read(self._heard, _MOST) if waiting.poll(_PATIENCE_MS) else b""
                return None if said == _NO else Sender(*map(int, said.split(b" ", 2)))
            self._answers = False
        return None

    @property
    def answers(self) -> bool:
        """Whether it can still tell."""
        return self._answers

    def end(self) -> None:
        """Ends the sentinel."""
        self._answers = False
        with suppress(OSError):
            if not self.is_reaped:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        os.close(self._ask)
        os.close(self._heard)


def start(held: Collection[int], rights: Rights | None = None) -> Sentinel | None:
    """Starts a sentinel for some signals, with the rights that the wrapper was started with.

    It returns None if the system has no room for one.
    """
    try:
        asked, ask = os.pipe()
        heard, tell = os.pipe()
        pid = os.fork()
    except OSError:
        return None
    if not pid:
        _watch(asked, tell, held, rights)
    os.close(asked)
    os.close(tell)
    return Sentinel(pid, ask, heard)


def _watch(asked: int, tell: int, held: Collection[int], rights: Rights | None) -> NoReturn:
    try:
        if rights is not None:
            rights.take()
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers
            if descriptor not in (asked, tell):
                with suppress(OSError):
                    os.close(descriptor)
        _name_itself()
        while number := os.read(asked, 1):
            info = signal.sigtimedwait(set(number) - {0} or held, 0)
            sender = info and b"%d %d %d" % (info.si_pid, info.si_uid, info.si_code)
            os.write(tell, sender or _NO)
    finally:
        os._exit(0)


def _name_itself() -> None:
    """Replaces the command line of this process, as `ps` and `pkill` see it; it raises `OSError` if it cannot."""
    with open("/proc/self/comm", "wb") as file:  # noqa: PTH123 - a file of the kernel's
        file.write(_TITLE)
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - the same
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end
    memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    os.pwrite(memory, _TITLE[: end - start - 1].ljust(end - start, b"\0"), start)
    os.close(memory)
