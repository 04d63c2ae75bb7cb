"""The SQLite file of the history: open only during a transaction, under its lock, and never while the process forks.

It has a rollback journal and no write-ahead log. Each transaction has the file for itself, so a log's advantage is
unused; opening and closing a log takes more syncs, its memory-mapped index ends a job with SIGBUS on a full disk, and a
copy of the file needs two more files. The rollback journal is kept with its head wiped, which saves the sync of the
folder that creating and deleting it takes.
"""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

from otel_job_measure.clock import Clock
from otel_job_measure.errors import BusyHistoryError, DamagedHistoryError, HistoryError
from otel_job_measure.forks import fork_gate
from otel_job_measure.history.schema import Schema
from otel_job_measure.history.untrusted import COMPANIONS, LENIENT, Deadline, check_files, harden
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.private_files import open_private
from otel_job_measure.points.text import printable
from otel_job_measure.rate_limited_log import LOG

_JOURNAL_LIMIT: Final = f"PRAGMA journal_size_limit = {1024 * 1024}"
_ASIDE: Final = ".corrupt-"
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_NO_UTF8: Final = "Could not decode to UTF-8"
"""How Python's driver says that a text is no UTF-8."""
LONGEST_S: Final = 5.0
"""How long a transaction may take; as a rule it takes some milliseconds."""


class Database:
    """One file, one transaction at a time."""

    def __init__(self, path: Path, *, clock: Clock, schema: Schema, upgrade_s: float = LONGEST_S) -> None:
        self.path = path
        self._upgrade_s = upgrade_s
        self._lock = path.with_suffix(".lock")
        self._clock = clock
        self._schema = schema
        self._has_odd_texts = False

    def exists(self) -> bool:
        """Returns whether there is a file."""
        try:
            self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise HistoryError(f"the history {self.path} cannot be read: {error}") from error
        return True

    @contextmanager
    def transaction(self, *, writes: bool = True, within_s: float = LONGEST_S) -> Generator[sqlite3.Connection]:
        """Opens the file for one transaction, which is committed if the block raises no exception.

        It never waits: another process that uses the file is a `BusyHistoryError`, and so is another program's open
        transaction if the block `writes`. A damaged file is set aside and is a `DamagedHistoryError`. SQLite is
        interrupted after so many seconds, and by what a signal handler raises.
        """
        with fork_gate(), self._held():
            deadline = Deadline(min(within_s, LONGEST_S), self._clock)
            try:
                with closing(self._open(deadline)) as connection:
                    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                    yield connection
                    connection.execute("COMMIT")
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if _kind(error) == sqlite3.SQLITE_INTERRUPT and (raised := deadline.raised()) is not None:
                    raise raised from None
                raise self._judged(error) from error

    @contextmanager
    def _held(self) -> Generator[None]:
        try:
            _make_private(self._lock)
            _make_private(self.path)
            taken = lock(self._lock)
        except OSError as error:
            raise HistoryError(f"the history {self.path} cannot be locked: {error}") from error
        if taken is None:
            raise BusyHistoryError(f"the history {self.path} is in use by another process")
        try:
            yield
        finally:
            taken.release()

    def _open(self, deadline: Deadline) -> sqlite3.Connection:
        # `as_uri` would import a module at its first call, and the shipper's thread must not import any.
        uri = f"file://{quote_from_bytes(os.fsencode(self.path))}?mode=rw"
        try:
            check_files(self.path)
            is_of_stranger = self.path.lstat().st_uid != os.getuid()
        except OSError as error:
            raise HistoryError(f"the history {self.path} cannot be used: {error}") from error
        connection = sqlite3.connect(uri, timeout=0, isolation_level=None, uri=True)
        try:
            deadline.watch(connection)
            harden(connection, is_of_stranger=is_of_stranger)
            if self._has_odd_texts:
                connection.text_factory = LENIENT
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":  # another program may need that
                connection.execute("PRAGMA journal_mode = PERSIST")
                connection.execute(_JOURNAL_LIMIT)
            self._schema.prepare(connection, self.path, lambda: deadline.extend(self._upgrade_s))
        except BaseException:
            connection.close()
            raise
        return connection

    def set_aside(self) -> list[Path]:
        """Returns the damaged files that were set aside and are still there, the oldest first."""
        found = self.path.parent.glob(f"{self.path.name}{_ASIDE}*")
        return sorted(each for each in found if not each.name.endswith(tuple(COMPANIONS)))

    def make_views(self, connection: sqlite3.Connection) -> None:
        """Makes the views again, with a column for each further tag; in a transaction."""
        self._schema.make_views(connection)

    def _judged(self, error: Exception) -> HistoryError:
        """Returns the error to raise; sets a damaged file aside, while the lock is still held."""
        if not self._has_odd_texts and _NO_UTF8 in str(error):
            self._has_odd_texts = True
            return BusyHistoryError(f"the history {self.path} has texts that are no UTF-8; they are read next time")
        code, why = _kind(error), printable(str(error))  # SQLite repeats names that it found in the file
        if code == sqlite3.SQLITE_CANTOPEN and not os.access(self.path, os.R_OK | os.W_OK):
            why = "this user may not read and write it; look at its owner and its mode"
        if code in _BUSY:
            return BusyHistoryError(f"the history {self.path} is in use by another program")
        if code == sqlite3.SQLITE_INTERRUPT:
            return HistoryError(f"the history {self.path} cannot be used: SQLite takes too long with it")
        if code not in _DAMAGED:
            right = "" if os.access(self.path, os.R_OK | os.W_OK) else "; this user may not read and write it"
            return HistoryError(f"the history {self.path} cannot be used: {why}{right}")
        try:
            aside = self._set_aside()
        except OSError as os_error:
            return HistoryError(f"the history {self.path} is damaged and cannot be set aside: {os_error}")
        LOG.error("the history was damaged (%s): it is kept as %s, and a new one is begun", why, aside)
        return DamagedHistoryError(f"the history was damaged ({why}); it is kept as {aside}")

    def _set_aside(self) -> Path:
        now = datetime.fromtimestamp(self._clock.wall_ns() / 1e9, UTC)
        first = self.path.with_name(f"{self.path.name}{_ASIDE}{now:%Y%m%dT%H%M%SZ}")
        aside, count = first, 1
        while aside.exists():
            count += 1
            aside = first.with_name(f"{first.name}-{count}")
        # Its journal first: SQLite would play one that stayed back into the new file.
        for suffix in (*COMPANIONS, ""):
            with_suffix = self.path.with_name(self.path.name + suffix)
            if with_suffix.exists():
                with_suffix.rename(aside.with_name(aside.name + suffix))
        return aside


def _kind(error: Exception) -> int:
    if isinstance(error, UnicodeDecodeError):  # Python cannot read the message, which repeats bytes of the file
        return sqlite3.SQLITE_CORRUPT
    # The low byte is the kind, the others are details; errors of Python's own have no code.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _make_private(path: Path) -> None:
    """Creates a file, for the owner of the state directory or for its group, if there is none."""
    with suppress(FileExistsError):
        os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
