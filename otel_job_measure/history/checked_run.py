"""A run with what a check looks at: it reads all runs of two days, and a whole record takes ten times as long."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RUNNING, RunRecord

COLUMNS: Final = (
    'uuid, started_ns, ended_ns, status, reason, duration_s, host, attempt, lag_s, "trigger", task_id, error_type'
)
"""The columns of `runs` that such a run is made of; the first ones are those of a mark."""
_KINDS: Final = (str, int, int, str, str, float, str, int, float, str, str, str)
_NO_ENDING: Final = (None,) * 5
_NEEDED: Final = (0, 3)


class CheckedRun(NamedTuple):
    """A run as a check looks at it; None means unknown. The names are those of `RunRecord`."""

    uuid: str
    started_ns: int | None
    ended_ns: int | None
    status: str
    reason: str | None
    duration_s: float | None
    host: str | None
    attempt: int | None
    lag_s: float | None
    trigger: str | None
    task_id: str | None
    error_type: str | None


AnyRun = RunRecord | CheckedRun
"""A run as a check may get it."""


def checked_run_of(run: RunRecord) -> CheckedRun:
    """Returns what a check looks at of a run."""
    return CheckedRun(
        uuid=run.uuid,
        started_ns=run.started_ns,
        ended_ns=run.ended_ns,
        status=run.status,
        reason=run.reason,
        duration_s=run.duration_s,
        host=run.host,
        attempt=run.attempt,
        lag_s=run.lag_s,
        trigger=run.trigger,
        task_id=run.task_id,
        error_type=run.error_type,
    )


def latest_of(runs: Iterable[RunRecord], most: Callable[[JobId], int]) -> dict[JobId, list[CheckedRun]]:
    """Returns the latest runs of each job, the oldest first.

    Args:
        runs: Runs in the order of their starts.
        most: How many of a job at most.
    """
    found: dict[JobId, deque[CheckedRun]] = {}
    for run in runs:
        job = run.job_id
        if job not in found:
            found[job] = deque(maxlen=most(job))
        found[job].append(checked_run_of(run))
    return {job: list(found[job]) for job in sorted(found) if found[job]}


def checked_runs(rows: Iterable[tuple[Any, ...]]) -> Iterator[CheckedRun]:
    """Yields the runs of rows with `COLUMNS`, without those that this package cannot have written."""
    for row in rows:
        floats = _floats(tuple(map(type, row)))
        if floats is None or not all(map(math.isfinite, floats(row))):
            continue
        _, started_ns, ended_ns, status, reason, duration_s, host, *_ = row
        if ended_ns is None:
            yield CheckedRun._make((*row[:3], RUNNING, None, None, host, *_NO_ENDING))
            continue
        has_ended = status == names.STATUS_END
        if duration_s is not None and has_ended and reason is None:  # most of them
            yield CheckedRun._make(row)
            continue
        status, reason = (status, None) if has_ended else (names.STATUS_FAILED, reason or None)
        if duration_s is None and started_ns is not None and reason != names.REASON_LOST:
            duration_s = (ended_ns - started_ns) / 1e9
        yield CheckedRun._make((*row[:3], status, reason, duration_s, *row[6:]))


@lru_cache(maxsize=1024)
def _floats(types: tuple[type, ...]) -> Callable[[tuple[Any, ...]], Sequence[float]] | None:
    """Returns what takes the floats from rows of such types; None if no run has them."""
    fit = all(found is kind or found is type(None) for found, kind in zip(types, _KINDS, strict=True))
    if not fit or any(types[at] is type(None) for at in _NEEDED):
        return None
    places = [at for at, found in enumerate(types) if found is float]
    return (
        itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1) if places else slice(0))
    )
