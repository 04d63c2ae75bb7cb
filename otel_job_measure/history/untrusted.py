"""A history that another user of the machine may have made: what SQLite may do with it, and for how long.

SQLite runs the SQL that a file contains: triggers, views, checks, generated columns. So nothing in the file is used
before its schema was compared with ours (`schema.py`), and each transaction has a deadline.
"""

import os
import sqlite3
import stat
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from otel_job_measure.clock import Clock

COMPANIONS: Final = ("-journal", "-wal", "-shm")
_MOST_JOURNAL: Final = 1024 * 1024 * 1024
"""SQLite plays a journal back before it can be interrupted."""
_SUPER_JOURNAL: Final = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
"""The end of a journal that names another file, which SQLite would delete. The history never has one."""
MOST_TEXT: Final = 1024 * 1024
"""The longest value in the file, in bytes: lines of the journal are shorter."""
LENIENT: Final = partial(str, encoding="utf-8", errors="replace")
"""Reads texts that are no UTF-8, which only another program writes; it takes twice as long as SQLite's driver alone."""
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: MOST_TEXT,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_PRAGMAS: Final = (
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "mmap_size = 0",
    "cache_size = -4000",  # the file itself may ask for any
    # One sync of the journal before the file is changed, one of the file before the journal goes.
    "synchronous = NORMAL",
)
_OPERATIONS: Final = 4000
"""How many of SQLite's operations pass between two looks at the time: less than a millisecond."""


class Deadline:
    """Interrupts SQLite after so many seconds, and when a signal handler raises."""

    def __init__(self, within_s: float, clock: Clock) -> None:
        self._raised: BaseException | None = None
        self._clock = clock
        self._ends_ns = clock.monotonic_ns() + int(within_s * 1e9)

    def extend(self, within_s: float) -> None:
        """Gives SQLite at least so many seconds from now on."""
        self._ends_ns = max(self._ends_ns, self._clock.monotonic_ns() + int(within_s * 1e9))

    def watch(self, connection: sqlite3.Connection) -> None:
        """Interrupts a connection from now on."""
        connection.set_progress_handler(self._is_over, _OPERATIONS)

    def raised(self) -> BaseException | None:
        """Returns what a signal handler raised if it interrupted SQLite, whose driver swallows it."""
        if self._raised is None and self._clock.monotonic_ns() <= self._ends_ns:
            # The handler ran before the first line of `_is_over`. By default, only that of Ctrl-C raises.
            return KeyboardInterrupt()
        return self._raised

    def _is_over(self) -> bool:
        try:
            return self._raised is not None or self._clock.monotonic_ns() > self._ends_ns
        except BaseException as error:  # noqa: BLE001 - the transaction raises it again
            self._raised = error
            return True


def harden(connection: sqlite3.Connection, *, is_of_stranger: bool) -> None:
    """Forbids what a history never needs; before the first statement that reads the file."""
    if is_of_stranger:  # for a write-ahead log, a file would be mapped that its owner can cut under this process
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE)
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)  # noqa: FBT003 - sqlite3's
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def check_files(path: Path) -> None:
    """Makes sure that the database and SQLite's files beside it are plain files that no stranger has planted.

    SQLite opens them by their names. They are not opened here: closing a database frees the locks that this process has
    in it.
    """
    folder = path.parent.stat()
    for suffix in ("", *COMPANIONS):
        name = path.with_name(path.name + suffix)
        with suppress(FileNotFoundError):
            _check_file(name, name.lstat(), folder)
    with suppress(FileNotFoundError):
        _check_journal(path.with_name(path.name + COMPANIONS[0]))


def _check_file(name: Path, status: os.stat_result, folder: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise PermissionError(f"{name} is a link that another user may have planted")
    if not stat.S_ISREG(status.st_mode):
        raise PermissionError(f"{name} is no regular file; move it away")
    if status.st_nlink > 1:
        raise PermissionError(f"{name} has a second name, so it may be another file; move it away")
    is_shared = folder.st_mode & (stat.S_ISGID | stat.S_IWGRP) == stat.S_ISGID | stat.S_IWGRP
    if not is_shared and status.st_uid not in {0, os.geteuid(), folder.st_uid}:
        raise PermissionError(f"{name} belongs to another user; move it away")


def _check_journal(name: Path) -> None:
    """Refuses a journal that SQLite would play back for minutes, or that names another file for it to delete."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        end = os.pread(fd, len(_SUPER_JOURNAL), max(0, size - len(_SUPER_JOURNAL)))
    finally:
        os.close(fd)
    if size > _MOST_JOURNAL:
        raise PermissionError(f"{name} has {size} bytes, more than the history ever writes; move it away")
    if end == _SUPER_JOURNAL:
        raise PermissionError(f"{name} names another file, which SQLite would delete; move it away")
