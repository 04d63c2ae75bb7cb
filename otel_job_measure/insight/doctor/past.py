"""The local history: its size, its version and its age, by a look that changes nothing."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from otel_job_measure import names
from otel_job_measure.errors import BusyHistoryError, DamagedHistoryError, HistoryError, NewerHistoryError
from otel_job_measure.history.inspection import Inspected, opened_for_reading
from otel_job_measure.insight.doctor.finding import PROBLEM, WARNING, Budget, Finding, number, size, span
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    import sqlite3

_MOST_S = 3.0
_AWAY = "move it away, and a new one begins"
_SETTING = f"{names.ENV_PREFIX}HISTORY"


def path_of(local: Settings) -> Path | None:
    """Returns the file of the history; None if there is none."""
    if local.in_memory or not local.history:
        return None
    path = StateDir(local.state_path).history
    try:
        return path if path.lstat().st_size else None
    except FileNotFoundError:
        return None
    except OSError:
        return path  # opening it says what is wrong


@contextmanager
def opened(path: Path, budget: Budget) -> "Generator[tuple[sqlite3.Connection, Inspected]]":
    """Opens a history for reading; raises `HistoryError`."""
    with opened_for_reading(path, within_s=min(_MOST_S, budget.left_s())) as found:
        yield found


def examined(local: Settings, budget: Budget, now_ns: int) -> Iterator[Finding]:
    """Yields what is found of the history."""
    if local.in_memory or not local.history:
        why = "the state directory is memory" if local.in_memory else f"{_SETTING} turns it off"
        yield Finding(check="history.usable", text=f"There is no local history: {why}.")
        return
    path = path_of(local)
    if path is None:
        yield Finding(check="history.usable", text="There is no local history yet: no run was recorded.")
        return
    try:
        with opened(path, budget) as (_, found):
            yield _usable(path, found, local.retention_s, now_ns)
    except BusyHistoryError:
        advice = "run doctor again; if it stays so, `fuser` of history.lock names the process"
        text = "Another process is using the history at this moment, so it was not looked at."
        yield Finding(check="history.usable", level=WARNING, text=text, advice=advice)
    except NewerHistoryError as error:
        advice = f"upgrade this program, or set {_SETTING}=off"
        yield Finding(check="history.usable", level=PROBLEM, text=_sentence(error), advice=advice)
    except DamagedHistoryError as error:
        advice = "the next run sets it aside and begins a new one; nothing is lost in InfluxDB"
        yield Finding(check="history.usable", level=PROBLEM, text=_sentence(error), advice=advice)
    except HistoryError as error:
        advice = "run doctor as the owner of the state directory" if _is_forbidden(path) else _AWAY
        yield Finding(check="history.usable", level=PROBLEM, text=_sentence(error), advice=advice)


def _usable(path: Path, found: Inspected, retention_s: float, now_ns: int) -> Finding:
    in_bytes = path.stat().st_size
    kept = span(retention_s)
    text = f"The history has {number(found.runs, 'run')} in {size(in_bytes)}, version {found.version}; it keeps {kept}."
    last_ns = max(found.ingested_ns or 0, found.last_ns or 0)
    if last_ns:
        text = f"{text[:-1]}. Its last points came {span(max(0, now_ns - last_ns) / 1e9)} ago."
    if 0 < found.version < found.newest:
        text += f" The next run upgrades it to version {found.newest}."
    facts = {
        "path": str(path),
        "bytes": in_bytes,
        "version": found.version,
        "newest_version": found.newest,
        "runs": found.runs,
        "first_ns": found.first_ns,
        "last_ns": found.last_ns,
        "ingested_ns": found.ingested_ns,
        "retention_s": retention_s,
    }
    return Finding(check="history.usable", text=text, facts=facts)


def _is_forbidden(path: Path) -> bool:
    return not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def _sentence(error: Exception) -> str:
    text = str(error).partition(": upgrade")[0].partition("; ")[0]
    return f"{text[:1].upper()}{text[1:]}."
