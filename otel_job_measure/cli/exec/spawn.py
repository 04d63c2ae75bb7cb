"""Finds the command of `exec`, starts it or replaces this process by it, and says why if it cannot."""

import errno
import os
import shutil
import signal
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, NoReturn, TypeVar, assert_never

from otel_job_measure.cli.exec import own_number, parent_death
from otel_job_measure.journal.rights import Rights

NOT_FOUND = 127
"""The exit code of shells for a command that does not exist."""
NOT_RUNNABLE = 126
"""The exit code of shells for a command that exists and cannot be run."""

_T = TypeVar("_T")
_SHELL = b"/bin/sh"
# Python ignores the first two from its start on; a parent that ignores the third would cost `exec` the exit code.
_CHANGED = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)
_GO = b"!"
_LOOK = 80
"""How much of a file shells read to tell a script from a binary."""


class NotStarted(Exception):  # noqa: N818 - an outcome that `exec` passes on, no error of the package
    """The command could not be started: the exit code that a shell gives, and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoRoom(NotStarted):
    """The system has no further process to give; the command can still replace this one."""


class Inherited(NamedTuple):
    """What the command has from the parent of `exec`, and what Python or `exec` changed for itself."""

    mask: Iterable[signal.Signals | int] = ()
    """Blocked signals."""
    ignored: Collection[signal.Signals | int] = ()
    """Ignored signals, of those that `exec` or Python handle otherwise."""
    rights: Rights | None = None
    """The user and groups of `exec` itself, which may have taken those of the state directory's owner since."""


class Start(NamedTuple):
    """A command, and what is done in its process before it runs."""

    arguments: Sequence[bytes]
    environment: Mapping[bytes, bytes]
    inherited: Inherited
    outlives: bool = False
    """Whether the command goes on if this process dies of SIGKILL."""
    prepare: Callable[[], None] = lambda: None
    """Called in the command's process; an `OSError` of it is told as one of the command."""


class HeldCommand:
    """A process that becomes the command at `let_go`; until then it holds back the same signals as this process.

    The constructor forks. Call it in the main thread, which lives as long as this process: the kernel ends a command
    that does not outlive it together with the thread that forked it. It raises `NoRoom` if the system is out of
    resources.
    """

    def __init__(self, start: Start) -> None:
        parent = os.getpid()
        told, tell = os.pipe()
        heard, say = os.pipe()
        try:
            self.pid = os.fork()
        except OSError as error:
            for descriptor in (told, tell, heard, say):
                os.close(descriptor)
            raise _not_started(start.arguments[0], error) from error
        if not self.pid:
            _become(start, parent, (told, tell), say)
        os.close(told)
        os.close(say)
        self._tell = tell
        self._heard = heard
        self.is_let_go = False

    def let_go(self) -> None:
        """Starts the command.

        It raises `NotStarted` if the command does not exist or cannot be run, and `NoRoom` if the system is out of
        resources. The process is gone then.
        """
        self.is_let_go = True
        with suppress(BrokenPipeError):  # a signal has killed it already
            os.write(self._tell, _GO)
        os.close(self._tell)
        with open(self._heard, "rb") as file:  # noqa: PTH123 - a descriptor
            said = file.read()
        if said:
            self.is_let_go = False
            os.waitpid(self.pid, 0)
            kind, code, message = said.split(b"\n", 2)
            raise (NoRoom if kind == b"NoRoom" else NotStarted)(int(code), os.fsdecode(message))


def _become(start: Start, parent: int, go: tuple[int, int], say: int) -> NoReturn:
    """Waits for the word to go, in the child, then becomes the command; its parent hears why if it cannot."""
    told, tell = go
    try:
        os.close(tell)
        if start.inherited.rights is not None:  # first: a change of the user makes the kernel forget the next
            start.inherited.rights.take()
        if not start.outlives:
            parent_death.die_with(parent)
        if os.read(told, len(_GO)):
            try:
                start.prepare()
            except OSError as error:
                raise _not_started(start.arguments[0], error) from error
            replace(start.arguments, own_number.for_this_process(start.environment, parent), start.inherited)
    except BaseException as reason:  # noqa: BLE001 - whatever it is, the parent can still become the command
        told_as = reason if isinstance(reason, NotStarted) else NoRoom(NOT_RUNNABLE, repr(reason))
        os.write(say, b"%s\n%d\n%s" % (type(told_as).__name__.encode(), told_as.code, os.fsencode(str(told_as))))
    finally:
        os._exit(NOT_RUNNABLE)


def replace(arguments: Sequence[bytes], environment: Mapping[bytes, bytes], inherited: Inherited) -> NoReturn:
    """Replaces this process by the command, with this process's open files, folder and process group.

    PATH of the given environment is searched for the command. It raises `NotStarted` if the command does not exist or
    cannot be run, and `NoRoom` if the system is out of resources.
    """

    def execute(path: bytes, words: list[bytes]) -> NoReturn:
        os.execve(path, words, environment)  # noqa: S606 - without a shell, as the user asked

    if inherited.rights is not None:
        inherited.rights.take()
    for number in _CHANGED:
        signal.signal(number, signal.SIG_IGN if number in inherited.ignored else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, inherited.mask)
    assert_never(_tried(execute, arguments, environment))


def _tried(
    execute: Callable[[bytes, list[bytes]], _T], arguments: Sequence[bytes], environment: Mapping[bytes, bytes]
) -> _T:
    name = arguments[0]
    try:
        path = _found(name, environment)
        try:
            return execute(path, [*arguments])
        except OSError as error:
            if error.errno != errno.ENOEXEC or _is_binary(path):
                raise
        # Every shell runs a script without a first line `#!` by itself.
        return execute(_SHELL, [b"sh", path, *arguments[1:]])
    except OSError as error:
        raise _not_started(name, error) from error


def _not_started(name: bytes, error: OSError) -> NotStarted:
    kind = NoRoom if error.errno in (errno.EAGAIN, errno.ENOMEM) else NotStarted
    code = NOT_FOUND if error.errno == errno.ENOENT else NOT_RUNNABLE
    return kind(code, f"{os.fsdecode(name)}: {os.strerror(error.errno or 0)}")


def _found(name: bytes, environment: Mapping[bytes, bytes]) -> bytes:
    """Returns the path that a shell would run: a name without a slash is searched for in PATH."""
    if b"/" in name:
        return name
    folders = os.fsdecode(environment.get(b"PATH", os.fsencode(os.defpath)))
    word = os.fsdecode(name)
    found = shutil.which(word, path=folders) or shutil.which(word, os.F_OK, folders)
    if not found:
        raise FileNotFoundError(errno.ENOENT, "not in PATH")
    return os.fsencode(found)


def _is_binary(path: bytes) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - bytes, which Path does not take
        return b"\0" in file.read(_LOOK)
