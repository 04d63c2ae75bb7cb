"""One of the latest runs of a job, with what a strip of them shows: a list of 10,000 jobs has 300,000 of them."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.history.checked_run import CheckedRun
from otel_job_measure.history.run_record import RUNNING, RunRecord

COLUMNS: Final = "uuid, started_ns, ended_ns, status, reason, duration_s"
"""The columns of `runs` that a mark is made of."""
_KINDS: Final = (str, int, int, str, str, float)
_NEEDED: Final = (0, 3)


class Mark(NamedTuple):
    """A run, in short; None means unknown. The names are those of `RunRecord`."""

    uuid: str
    started_ns: int | None
    ended_ns: int | None
    status: str
    reason: str | None
    duration_s: float | None


def mark_of(run: RunRecord) -> Mark:
    """Returns the mark of a run."""
    return Mark(run.uuid, run.started_ns, run.ended_ns, run.status, run.reason, run.duration_s)


def marks(rows: Iterable[tuple[Any, ...]]) -> Iterator[Mark]:
    """Yields the marks of rows with `COLUMNS`, without those that this package cannot have written."""
    for row in rows:
        if not _fits(tuple(map(type, row))):
            continue
        uuid, started_ns, ended_ns, status, reason, duration_s = row
        if ended_ns is None:
            yield Mark(uuid, started_ns, None, RUNNING, None, None)
        elif status == names.STATUS_END:
            # The constant: each row has a text of its own.
            took_s = _duration(started_ns, ended_ns, None, duration_s)
            yield Mark(uuid, started_ns, ended_ns, names.STATUS_END, None, took_s)
        else:
            took_s = _duration(started_ns, ended_ns, reason, duration_s)
            yield Mark(uuid, started_ns, ended_ns, names.STATUS_FAILED, reason or None, took_s)


def oldest(run: Mark | CheckedRun) -> tuple[int, str]:
    """Orders runs, the oldest first; one whose start is unknown counts from its end."""
    return (run.ended_ns or 0) if run.started_ns is None else run.started_ns, run.uuid


def newest(run: Mark | CheckedRun) -> tuple[int, str]:
    """Orders runs, the newest first; of those with one start, by their ids, as `oldest` does."""
    at_ns, uuid = oldest(run)
    return -at_ns, uuid


def _duration(started_ns: int | None, ended_ns: int, reason: str | None, measured_s: float | None) -> float | None:
    if measured_s is not None:
        return measured_s if math.isfinite(measured_s) else None
    return None if started_ns is None or reason == names.REASON_LOST else (ended_ns - started_ns) / 1e9


@lru_cache(maxsize=256)
def _fits(types: tuple[type, ...]) -> bool:
    fit = all(found is kind or found is type(None) for found, kind in zip(types, _KINDS, strict=True))
    return fit and not any(types[at] is type(None) for at in _NEEDED)
