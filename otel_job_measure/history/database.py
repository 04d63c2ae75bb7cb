"""The SQLite file: open only during a transaction, under its lock, and never while the process forks.

It has a rollback journal, not a write-ahead log: a log is there to let a reader and a writer be at work at once, and
here each has the file for itself. ActiveRun and closing one for each transaction would cost more syncs, not fewer, its
memory-mapped index would end a job with SIGBUS where the disk is full, and whoever copies the file would have to know
of two more. The rollback journal stays beside the file, with its head wiped: to make and delete one for each
transaction takes one more sync, of the folder, and to write over one is the cheapest of all.
"""

import logging
import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.errors import HistoryError, NewerHistoryError
from otel_job_measure.forks import fork_gate
from otel_job_measure.history.errors import BusyHistoryError, DamagedHistoryError
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.private_files import open_private, refuse_link

_log = logging.getLogger(names.LOGGER)
_APPLICATION_ID: Final = 0x6F6A6D68
"""Tells our file from other programs' ("ojmh")."""
_COMPANIONS: Final = ("-journal", "-wal", "-shm")
_JOURNAL_LIMIT: Final = f"PRAGMA journal_size_limit = {1024 * 1024}"
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """One file, and one transaction at a time.

    Args:
        path: The file. Its lock is beside it.
        clock: The machine's clocks.
        versions: For each version of the schema the script that leads to it from the one before; the first one makes
            the tables of an empty file.
    """

    def __init__(self, path: Path, *, clock: Clock, versions: Sequence[str]) -> None:
        """Names the file; nothing is opened yet."""
        self.path = path
        self._lock = path.with_suffix(".lock")
        self._clock = clock
        self._versions = versions

    def exists(self) -> bool:
        """Returns whether there is a file.

        Raises:
            HistoryError: That cannot be told.
        """
        try:
            return self.path.exists()
        except OSError as error:
            raise HistoryError(f"the history {self.path} cannot be read: {error}") from error

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Generator[sqlite3.Connection]:
        """Opens the file for one transaction, which is committed where the block ends without an exception.

        Args:
            writes: Whether the block writes. Somebody's shell that is in the middle of a change only keeps out that.

        Yields:
            The connection.

        Raises:
            BusyHistoryError: Another process is at it; nothing was waited for.
            DamagedHistoryError: It was damaged and is set aside now; nothing of the block was kept.
            NewerHistoryError: It was written by a newer version and is left alone.
            HistoryError: It cannot be read or written, for another reason.
        """
        with fork_gate(), self._held():
            try:
                with closing(self._open()) as connection:
                    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                    yield connection
                    connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._judged(error) from error

    @contextmanager
    def _held(self) -> Generator[None]:
        try:
            _make_private(self._lock)
            _make_private(self.path)
            refuse_link(self.path)
            taken = lock(self._lock)
        except OSError as error:
            raise HistoryError(f"the history {self.path} cannot be locked: {error}") from error
        if taken is None:
            raise BusyHistoryError(f"the history {self.path} is in use by another process")
        try:
            yield
        finally:
            taken.release()

    def _open(self) -> sqlite3.Connection:
        # Not `as_uri`, which imports something the first time, and this is the thread that folds.
        uri = f"file://{quote_from_bytes(os.fsencode(self.path))}?mode=rw"
        connection = sqlite3.connect(uri, timeout=0, isolation_level=None, uri=True)
        try:
            # One sync of the journal before the file is changed, one of the file before the journal goes.
            connection.execute("PRAGMA synchronous = NORMAL")
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":  # which somebody's shell may need
                connection.execute("PRAGMA journal_mode = PERSIST")
                connection.execute(_JOURNAL_LIMIT)
            self._check_version(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_version(self, connection: sqlite3.Connection) -> None:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        application: int = connection.execute("PRAGMA application_id").fetchone()[0]
        if application != _APPLICATION_ID and not _is_empty(connection):
            raise HistoryError(f"{self.path} is a database of another program; move it away")
        if version > len(self._versions):
            raise NewerHistoryError(
                f"the history {self.path} was written by a newer version of otel-job-measure (its version is "
                f"{version}, this program knows {len(self._versions)}): upgrade this program, or set "
                f"{names.ENV_PREFIX}HISTORY=off"
            )
        for number, script in enumerate(self._versions[version:], start=version + 1):
            connection.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {number}; "
                f"{script}; COMMIT;"
            )

    def _judged(self, error: sqlite3.Error) -> HistoryError:
        """Returns the error to raise; a damaged file is set aside, while the lock is still held."""
        # The low byte is the kind, the others are details; Python's own errors have no code.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            return BusyHistoryError(f"the history {self.path} is in use by another program")
        if code not in _DAMAGED:
            return HistoryError(f"the history {self.path} cannot be used: {error}")
        try:
            aside = self._set_aside()
        except OSError as os_error:
            return HistoryError(f"the history {self.path} is damaged and cannot be set aside: {os_error}")
        _log.error("the history was damaged (%s): it is kept as %s, and a new one is begun", error, aside)
        return DamagedHistoryError(f"the history was damaged ({error}); it is kept as {aside}")

    def _set_aside(self) -> Path:
        now = datetime.fromtimestamp(self._clock.wall_ns() / 1e9, UTC)
        first = self.path.with_name(f"{self.path.name}.corrupt-{now:%Y%m%dT%H%M%SZ}")
        aside, count = first, 1
        while aside.exists():
            count += 1
            aside = first.with_name(f"{first.name}-{count}")
        # Its journal first: one that stayed would be played back into the new file.
        for suffix in (*_COMPANIONS, ""):
            with_suffix = self.path.with_name(self.path.name + suffix)
            if with_suffix.exists():
                with_suffix.rename(aside.with_name(aside.name + suffix))
        return aside


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _make_private(path: Path) -> None:
    """Creates a file, for the owner of the state directory or for its group, if there is none."""
    with suppress(FileExistsError):
        os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
