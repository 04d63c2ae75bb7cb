"""The SQLite file of the history: open only during a transaction, under its lock, and never while the process forks.

It has a rollback journal and no write-ahead log. Each transaction has the file for itself, so a log's advantage is
unused; opening and closing a log takes more syncs, its memory-mapped index ends a job with SIGBUS on a full disk, and a
copy of the file needs two more files. The rollback journal is kept with its head wiped, which saves the sync of the
folder that creating and deleting it takes.
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
from otel_job_measure.errors import BusyHistoryError, DamagedHistoryError, HistoryError, NewerHistoryError
from otel_job_measure.forks import fork_gate
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.private_files import open_private, refuse_link
from otel_job_measure.points.fields import RUN_FIELDS, UUID, Column

_log = logging.getLogger(names.LOGGER)
_APPLICATION_ID: Final = 0x6F6A6D68
"""Identifies the file as a history ("ojmh")."""
_COMPANIONS: Final = ("-journal", "-wal", "-shm")
_JOURNAL_LIMIT: Final = f"PRAGMA journal_size_limit = {1024 * 1024}"
_TEXT: Final = "'"
_NAME: Final = '"'
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


_FIELDS: Final = tuple(each for each in RUN_FIELDS if each is not UUID)
_SUCCESS: Final = """CASE
    WHEN lost_status = 'end' THEN 1.0 WHEN ifnull(lost_reason, '') NOT IN ({}) THEN 0.0 END""".format(
    ", ".join(f"'{reason}'" for reason in names.UNCOUNTED_REASONS)
)


class Database:
    """One file, one transaction at a time; `upgrades[n - 1]` is the script from version n to the next."""

    def __init__(self, path: Path, *, clock: Clock, schema: str, upgrades: Sequence[str] = (), views: str = "") -> None:
        self.path = path
        self._lock = path.with_suffix(".lock")
        self._clock = clock
        self._schema = schema
        self._upgrades = upgrades
        self._views = views

    def exists(self) -> bool:
        """Returns whether there is a file."""
        try:
            return self.path.exists()
        except OSError as error:
            raise HistoryError(f"the history {self.path} cannot be read: {error}") from error

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Generator[sqlite3.Connection]:
        """Opens the file for one transaction, which is committed if the block raises no exception.

        It never waits: another process that uses the file is a `BusyHistoryError`, and so is another program's open
        transaction if the block `writes`. A damaged file is set aside and is a `DamagedHistoryError`.
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
        # `as_uri` would import a module at its first call, and the shipper's thread must not import any.
        uri = f"file://{quote_from_bytes(os.fsencode(self.path))}?mode=rw"
        connection = sqlite3.connect(uri, timeout=0, isolation_level=None, uri=True)
        try:
            # One sync of the journal before the file is changed, one of the file before the journal goes.
            connection.execute("PRAGMA synchronous = NORMAL")
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":  # another program may need that
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
        newest = len(self._upgrades) + 1
        if version > newest:
            raise NewerHistoryError(
                f"the history {self.path} was written by a newer version of otel-job-measure (its version is "
                f"{version}, this program knows {newest}): upgrade this program, or set {names.ENV_PREFIX}HISTORY=off"
            )
        if version < newest:
            scripts = self._upgrades[version - 1 :] if version else [self._schema]
            views = self._views and "; ".join(self._view_statements(connection, is_new=not version))
            connection.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {newest}; "
                f"{'; '.join(scripts)}; {views}; COMMIT;"
            )

    def make_views(self, connection: sqlite3.Connection) -> None:
        """Makes the views again, with a column for each further tag; in a transaction."""
        for statement in self._view_statements(connection):
            connection.execute(statement)

    def _view_statements(self, connection: sqlite3.Connection, *, is_new: bool = False) -> list[str]:
        query = "SELECT name FROM further_tags ORDER BY name"
        tags: list[str] = [] if is_new else [name for (name,) in connection.execute(query)]
        columns = {
            "further": " ".join(
                f"(SELECT value FROM json_each(point.tags) WHERE key = {_quoted(name, _TEXT)}) AS {_quoted(name, _NAME)},"  # noqa: S608, E501 - quoted
                for name in tags
                if "\0" not in name  # SQL cannot write it
            ),
            "fields": "".join(f', "{each.name}"' for each in _FIELDS),
            "ending_fields": "".join(f', "{each.column}" AS "{each.name}"' for each in _FIELDS),
            "lost_fields": "".join(f', {_lost_field(each)} AS "{each.name}"' for each in _FIELDS),
        }
        statements = self._views.split(";")
        for name, text in columns.items():
            statements = [statement.replace(f"/* :{name} */", text) for statement in statements]
        return statements

    def _judged(self, error: sqlite3.Error) -> HistoryError:
        """Returns the error to raise; sets a damaged file aside, while the lock is still held."""
        # The low byte is the kind, the others are details; errors of Python's own have no code.
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
        # Its journal first: SQLite would play one that stayed back into the new file.
        for suffix in (*_COMPANIONS, ""):
            with_suffix = self.path.with_name(self.path.name + suffix)
            if with_suffix.exists():
                with_suffix.rename(aside.with_name(aside.name + suffix))
        return aside


def _lost_field(column: Column) -> str:
    return _SUCCESS if column.name == names.FIELD_SUCCESS else f"json_extract(lost_values, '$.{column.column}')"


def _quoted(text: str, mark: str) -> str:
    return f"{mark}{text.replace(mark, 2 * mark)}{mark}"


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _make_private(path: Path) -> None:
    """Creates a file, for the owner of the state directory or for its group, if there is none."""
    with suppress(FileExistsError):
        os.close(open_private(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
