"""The command of `exec`: found, started or put in our place, and told like a shell where it cannot be."""

import errno
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar, assert_never

NOT_FOUND = 127
"""What a shell exits with when a command does not exist."""
NOT_RUNNABLE = 126
"""What a shell exits with when a command exists and cannot be run."""

_T = TypeVar("_T")
_SHELL = b"/bin/sh"
# Python ignores these two from its start on; a command expects them as they are by default.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
# How much of a file shells look at before they take it for a script.
_LOOK = 80


class NotStarted(Exception):  # noqa: N818 - an outcome that `exec` passes on, no error of ours
    """The command could not be started.

    Args:
        code: What a shell would exit with.
        words: What a shell would say, the command's name first.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


class NoRoom(NotStarted):
    """The system gives us no further process; the command can still have ours."""


def inherited_environment() -> dict[bytes, bytes]:
    """Returns the environment that this process was started with, byte for byte.

    Python adds LC_CTYPE to its own under the C locale, which is cron's.
    """
    try:
        block = Path("/proc/self/environ").read_bytes()
    except OSError:
        return dict(os.environb)
    environment: dict[bytes, bytes] = {}
    for entry in block.split(b"\0"):
        name, equals, value = entry.partition(b"=")
        if name and equals:  # Python hands on no others
            environment.setdefault(name, value)  # of two with one name, getenv sees the first
    return environment


def start(arguments: Sequence[bytes], environment: Mapping[bytes, bytes], mask: Iterable[signal.Signals | int]) -> int:
    """Starts the command with our open files, folder and process group.

    Args:
        arguments: The command and its arguments.
        environment: The environment that the command gets; the command is searched for in its PATH.
        mask: The signals that are blocked in the command.

    Returns:
        The command's process id.

    Raises:
        NotStarted: It is not there or cannot be run.
        NoRoom: The system is out of processes or memory.
    """
    return _tried(
        lambda path, words: os.posix_spawn(path, words, environment, setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON),
        arguments,
        environment,
    )


def replace(
    arguments: Sequence[bytes], environment: Mapping[bytes, bytes], mask: Iterable[signal.Signals | int]
) -> NoReturn:
    """Puts the command in the place of this process, which is not measured any more then.

    Args:
        arguments: The command and its arguments.
        environment: The environment that the command gets; the command is searched for in its PATH.
        mask: The signals that are blocked in the command.

    Raises:
        NotStarted: It is not there or cannot be run.
    """

    def execute(path: bytes, words: list[bytes]) -> NoReturn:
        os.execve(path, words, environment)  # noqa: S606 - without a shell, as it was asked for

    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert_never(_tried(execute, arguments, environment))


def _tried(
    execute: Callable[[bytes, list[bytes]], _T],
    arguments: Sequence[bytes],
    environment: Mapping[bytes, bytes],
) -> _T:
    path = _found(arguments[0], environment)
    try:
        try:
            return execute(path, [*arguments])
        except OSError as error:
            if error.errno != errno.ENOEXEC or _is_binary(path):
                raise
        # A script without a first line `#!`: every shell runs it by itself.
        return execute(_SHELL, [b"sh", path, *arguments[1:]])
    except OSError as error:
        raise _as_a_shell_tells_it(arguments[0], path, error) from error


def _found(name: bytes, environment: Mapping[bytes, bytes]) -> bytes:
    """Returns the path that a shell would run; a name without a slash is searched for in PATH."""
    if b"/" in name:
        return name
    denied = False
    for folder in environment.get(b"PATH", os.fsencode(os.defpath)).split(b":"):
        path = os.path.join(folder or b".", name)  # noqa: PTH118 - bytes, which Path does not take
        if os.path.isfile(path):  # noqa: PTH113 - the same
            if os.access(path, os.X_OK):
                return path
            denied = True
    if denied:
        raise NotStarted(NOT_RUNNABLE, f"{os.fsdecode(name)}: Permission denied")
    raise NotStarted(NOT_FOUND, f"{os.fsdecode(name)}: command not found")


def _is_binary(path: bytes) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - bytes, which Path does not take
        return b"\0" in file.read(_LOOK)


def _as_a_shell_tells_it(name: bytes, path: bytes, error: OSError) -> NotStarted:
    words = os.strerror(error.errno or 0)
    if error.errno == errno.ENOENT and os.path.exists(path):  # noqa: PTH110 - bytes, which Path does not take
        words = "cannot execute: required file not found"  # the interpreter that its first line names
    elif error.errno == errno.EACCES and os.path.isdir(path):  # noqa: PTH112 - the same
        words = "Is a directory"
    elif error.errno == errno.ENOEXEC:
        words = f"cannot execute binary file: {words}"
    kind = NoRoom if error.errno in (errno.EAGAIN, errno.ENOMEM) else NotStarted
    return kind(NOT_FOUND if error.errno == errno.ENOENT else NOT_RUNNABLE, f"{os.fsdecode(name)}: {words}")
