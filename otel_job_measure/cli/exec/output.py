"""Keeps the end of a command's output, and changes nothing for the command or its readers.

What stdout or stderr is decides how:

- A regular file stays the command's. Its end is read when the command has ended.
- A pipe, a socket or /dev/null gets a relay: a small process that hands on what the command writes. It waits for a slow
  reader and ends with the reader, as the command would. If other processes still hold the pipe when the command has
  ended, the relay stays for them, and `exec` ends.
- Terminals and other devices, and a closed stream, are left alone.
"""

import fcntl
import mmap
import os
import select
import signal
import stat
import sys
import termios
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn, Protocol

from otel_job_measure.journal.kept_output import STREAMS

_READ: Final = 64 * 1024
_LENGTH: Final = 8
"""How many bytes of the shared memory tell how many are kept."""


class _Stream(Protocol):
    """One stream whose end is kept."""

    name: str
    number: int
    target: int
    """The descriptor that the command gets."""

    def finish(self) -> None:
        """Is called when the command has ended."""

    def kept(self, until: float) -> bytes:
        """Returns the end of what the command wrote, at the latest at a time by the monotonic clock."""
        ...


class Output:
    """The streams of a command whose end is kept, at most `limit` bytes of each.

    It is made before the process has threads. Streams that cannot be kept are in `left_alone`.
    """

    def __init__(self, limit: int) -> None:
        self._streams: list[_Stream] = []
        self.left_alone: list[str] = []
        for number, name in enumerate(STREAMS, start=1):
            if not os.get_inheritable(number):  # a closed stream has a filler that the command does not get
                continue
            try:
                found = _stream(number, name, limit)
            except OSError:
                found = None
            if found is not None:
                self._streams.append(found)
            else:
                self.left_alone.append(name)

    @contextmanager
    def attached(self) -> Generator[None]:
        """Has the command that is started in the block write to the streams."""
        with ExitStack() as stack:
            for stream in self._streams:
                if stream.target != stream.number:
                    before = fcntl.fcntl(stream.number, fcntl.F_DUPFD_CLOEXEC, 3)
                    stack.callback(_put_back, before, stream.number)
                    os.dup2(stream.target, stream.number)
                    os.close(stream.target)
            yield

    def kept(self, within_s: float) -> Mapping[str, bytes]:
        """Returns the end of each stream, once all that the ended command wrote has been handed on."""
        until = time.monotonic() + within_s
        for stream in self._streams:
            stream.finish()
        return {stream.name: data for stream in self._streams if (data := stream.kept(until))}


def _put_back(before: int, number: int) -> None:
    with suppress(OSError):  # the command runs
        os.dup2(before, number)
        os.close(before)


def _stream(number: int, name: str, limit: int) -> _Stream | None:
    status = os.fstat(number)
    if stat.S_ISREG(status.st_mode):
        with suppress(OSError):
            return _File(number, name, limit)
    is_null = stat.S_ISCHR(status.st_mode) and status.st_rdev == Path(os.devnull).stat().st_rdev
    if is_null or stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return _Relay(number, name, limit, is_discarded=is_null)
    return None


class _File:
    """A regular file: the command writes to it as without `exec`."""

    def __init__(self, number: int, name: str, limit: int) -> None:
        self.name, self.number, self.target = name, number, number
        self._limit = limit
        self._file = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
        appends = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND
        self._begin = os.fstat(number).st_size if appends else os.lseek(number, 0, os.SEEK_CUR)

    def finish(self) -> None:
        """Does nothing: what was written is in the file."""

    def kept(self, until: float) -> bytes:
        """Returns the end of what lies between the places before and after the command."""
        del until
        end = min(os.lseek(self.number, 0, os.SEEK_CUR), os.fstat(self._file).st_size)
        begin = max(end - self._limit, self._begin if end >= self._begin else 0)
        return os.pread(self._file, max(0, end - begin), begin)


class _Relay:
    """A process between the command and a pipe."""

    def __init__(self, number: int, name: str, limit: int, *, is_discarded: bool) -> None:
        self.name, self.number = name, number
        self._shared = mmap.mmap(-1, _LENGTH + limit)
        reader, self.target = os.pipe()
        asked, self._ask = os.pipe()
        self._done, done = os.pipe()
        child = os.fork()
        if child == 0:
            _relay(reader, None if is_discarded else number, asked, done, self._shared)
        os.waitpid(child, 0)
        for descriptor in (reader, asked, done):
            os.close(descriptor)

    def finish(self) -> None:
        """Asks the relay to tell when all that is in the pipe has been handed on."""
        with suppress(BrokenPipeError):  # the reader is gone, and the relay with it
            os.write(self._ask, b"?")

    def kept(self, until: float) -> bytes:
        """Waits for the answer, then returns the end."""
        select.select([self._done], [], [], max(0.0, until - time.monotonic()))
        length = int.from_bytes(self._shared[:_LENGTH], sys.byteorder)
        return self._shared[_LENGTH : _LENGTH + length]


def _relay(reader: int, target: int | None, asked: int, done: int, shared: mmap.mmap) -> NoReturn:
    """Is the relay: it ends with its reader, or if no process holds the other end of the pipe any more."""
    try:
        if os.fork():
            os._exit(0)  # so that the relay is no child of this process, nor of a command that replaces it
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        needed = {reader, asked, done, target}
        for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers
            if descriptor not in needed:
                with suppress(OSError):
                    os.close(descriptor)
        os.chdir("/")
        _hand_on(reader, target, asked, done, shared)
    finally:
        os._exit(0)


def _hand_on(reader: int, target: int | None, asked: int, done: int, shared: mmap.mmap) -> None:
    events = select.poll()
    events.register(reader, select.POLLIN)
    events.register(asked, select.POLLIN)
    if target is not None:
        events.register(target, 0)  # tells when the reader is gone
    left: int | None = None
    tail = b""
    while True:
        ready = dict(events.poll())
        if target in ready:
            return
        if asked in ready:
            events.unregister(asked)
            left = int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), sys.byteorder)
        elif reader in ready:
            data = os.read(reader, _READ)
            if not data:
                return
            tail = _keep(shared, tail, data)
            if target is not None:
                _write(target, data)
            left = None if left is None else left - len(data)
        if left is not None and left <= 0:
            left = None
            os.close(done)


def _keep(shared: mmap.mmap, tail: bytes, data: bytes) -> bytes:
    limit = len(shared) - _LENGTH
    kept = data[-limit:] if len(data) >= limit else (tail + data)[-limit:]
    shared[:_LENGTH] = bytes(_LENGTH)
    shared[_LENGTH : _LENGTH + len(kept)] = kept
    shared[:_LENGTH] = len(kept).to_bytes(_LENGTH, sys.byteorder)
    return kept


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:  # another program has made it so
            select.select([], [target], [])
