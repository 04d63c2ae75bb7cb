"""The history as an examination sees it: opened for reading only; nothing is made, upgraded or set aside."""

import os
import sqlite3
from collections.abc import Collection, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import BusyHistoryError, DamagedHistoryError, HistoryError
from otel_job_measure.history.history import schema
from otel_job_measure.history.untrusted import LENIENT, Deadline, check_files, harden
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.printable import printable

_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_RUNS: Final = "SELECT count(*), min(started_ns), max(ifnull(ended_ns, started_ns)) FROM runs"
_UUIDS: Final = (
    "SELECT uuid FROM runs WHERE started_ns >= ? AND started_ns < ? AND destination IN ({}) "
    "ORDER BY started_ns DESC LIMIT 2000"
)
_INGESTED: Final = "SELECT max(at_ns) FROM segments"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What a history has.

    Args:
        version: The version of its schema.
        newest: The version that this program makes.
        runs: How many runs.
        first_ns: The first start, in ns since 1970; None without runs.
        last_ns: The last end or start.
        ingested_ns: When points of a segment that is still there were last ingested; None if there is none.
    """

    version: int
    newest: int
    runs: int
    first_ns: int | None
    last_ns: int | None
    ingested_ns: int | None


@contextmanager
def opened_for_reading(path: Path, *, within_s: float) -> Generator[tuple[sqlite3.Connection, Inspected]]:
    """Opens a history for one look and tells what it has; nothing is written, and nothing waits.

    Raises:
        BusyHistoryError: Another process is using it.
        NewerHistoryError: A newer version of this program wrote it.
        DamagedHistoryError: It is damaged.
        HistoryError: It cannot be read.
    """
    try:
        check_files(path)
        is_of_stranger = path.lstat().st_uid != os.getuid()
        taken = _locked(path.with_suffix(".lock"))
    except OSError as error:
        why = error.strerror or str(error).removeprefix(f"{path} ")
        raise HistoryError(f"the history {path} cannot be read: {why}") from error
    try:
        with closing(_connected(path, within_s)) as connection:
            harden(connection, is_of_stranger=is_of_stranger)
            connection.text_factory = LENIENT
            connection.execute("BEGIN")
            yield connection, _inspected(connection, path)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _judged(path, error) from error
    finally:
        if taken is not None:
            taken.release()


def uuids_for(connection: sqlite3.Connection, destinations: Collection[str], since_ns: int, until_ns: int) -> set[str]:
    """Returns the latest runs, at most 2,000, that started in a time and were written for some destinations."""
    marks = ", ".join("?" for _ in destinations)
    found = connection.execute(_UUIDS.format(marks), (since_ns, until_ns, *destinations))
    return {uuid for (uuid,) in found if isinstance(uuid, str)}


def _inspected(connection: sqlite3.Connection, path: Path) -> Inspected:
    known = schema()
    version = known.check(connection, path)
    if not version:
        return Inspected(version=0, newest=known.version, runs=0, first_ns=None, last_ns=None, ingested_ns=None)
    runs, first_ns, last_ns = connection.execute(_RUNS).fetchone()
    (ingested_ns,) = connection.execute(_INGESTED).fetchone()
    return Inspected(
        version=version,
        newest=known.version,
        runs=int(runs),
        first_ns=_time(first_ns),
        last_ns=_time(last_ns),
        ingested_ns=_time(ingested_ns),
    )


def _locked(path: Path) -> Lock | None:
    """Takes the lock; a user who may not take it reads without, because SQLite has locks of its own."""
    try:
        taken = lock(path, create=False)
    except PermissionError:
        return None
    if taken is None and path.exists():
        raise BusyHistoryError(f"the history beside {path} is in use by another process")
    return taken


def _connected(path: Path, within_s: float) -> sqlite3.Connection:
    uri = f"file://{quote_from_bytes(os.fsencode(path))}?mode=ro"
    connection = sqlite3.connect(uri, timeout=0, isolation_level=None, uri=True)
    Deadline(within_s, SystemClock()).watch(connection)
    return connection


def _time(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _judged(path: Path, error: Exception) -> HistoryError:
    code, why = int(getattr(error, "sqlite_errorcode", 0)) & 0xFF, printable(str(error))
    if code in _BUSY:
        return BusyHistoryError(f"the history {path} is in use by another program")
    if code == sqlite3.SQLITE_INTERRUPT:
        return HistoryError(f"the history {path} cannot be read: SQLite takes too long with it")
    if code in _DAMAGED or isinstance(error, UnicodeDecodeError):
        return DamagedHistoryError(f"the history {path} is damaged ({why})")
    return HistoryError(f"the history {path} cannot be read: {why}")
