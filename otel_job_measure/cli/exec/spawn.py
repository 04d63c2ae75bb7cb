"""Finds the command of `exec`, starts it or replaces this process by it, and says why if it cannot."""

import errno
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn, TypeVar, assert_never

NOT_FOUND = 127
"""The exit code of shells for a command that does not exist."""
NOT_RUNNABLE = 126
"""The exit code of shells for a command that exists and cannot be run."""

_T = TypeVar("_T")
_SHELL = b"/bin/sh"
# Python ignores these two from its start on; a command expects their defaults.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_LOOK = 80
"""How much of a file shells read to tell a script from a binary."""


class NotStarted(Exception):  # noqa: N818 - an outcome that `exec` passes on, no error of the package
    """The command could not be started: the exit code that a shell gives, and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoRoom(NotStarted):
    """The system has no further process to give; the command can still replace this one."""


def start(arguments: Sequence[bytes], environment: Mapping[bytes, bytes], mask: Iterable[signal.Signals | int]) -> int:
    """Starts the command with this process's open files, folder and process group, and returns its process id.

    PATH of the given environment is searched for the command; the signals of `mask` are blocked in it. It raises
    `NotStarted` if the command does not exist or cannot be run, and `NoRoom` if the system is out of resources.
    """
    return _tried(
        lambda path, words: os.posix_spawn(path, words, environment, setsigmask=mask, setsigdef=_IGNORED_BY_PYTHON),
        arguments,
        environment,
    )


def replace(
    arguments: Sequence[bytes], environment: Mapping[bytes, bytes], mask: Iterable[signal.Signals | int]
) -> NoReturn:
    """Replaces this process by the command; arguments and errors are those of `start`."""

    def execute(path: bytes, words: list[bytes]) -> NoReturn:
        os.execve(path, words, environment)  # noqa: S606 - without a shell, as the user asked

    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
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
        kind = NoRoom if error.errno in (errno.EAGAIN, errno.ENOMEM) else NotStarted
        code = NOT_FOUND if error.errno == errno.ENOENT else NOT_RUNNABLE
        raise kind(code, f"{os.fsdecode(name)}: {os.strerror(error.errno or 0)}") from error


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
