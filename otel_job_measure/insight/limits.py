"""The limits of a job that its runs alone can break. Each stands for itself: none looks at another one's value."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Final

from otel_job_measure import names
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RUNNING
from otel_job_measure.insight.findings import FAILING, OVERRUN, TOO_OFTEN, TOO_SHORT, Finding
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.words import cause, took

_FIRST_ATTEMPT: Final = 1
_END: Final = attrgetter("ended_ns", "uuid")
"""Orders runs that have ended."""


def success_of(run: AnyRun | Mark) -> float | None:
    """Returns 1.0 or 0.0; None if the run is open or its ending says nothing about the job itself."""
    if run.status == names.STATUS_END:
        return 1.0
    return None if run.status == RUNNING or run.reason in names.UNCOUNTED_REASONS else 0.0


def ended_ns(run: AnyRun | Mark) -> int:
    """Returns when a run ended; one that is open counts from its start."""
    return started_ns(run) if run.ended_ns is None else run.ended_ns


def by_end(runs: Iterable[AnyRun]) -> list[AnyRun]:
    """Returns the runs that have ended, in the order of their ends."""
    return sorted([run for run in runs if run.ended_ns is not None], key=_END)


def votes(runs: Sequence[AnyRun]) -> list[AnyRun]:
    """Returns the runs whose success counts, in the order of their ends: of each task only the last attempt."""
    last: dict[str, AnyRun] = {}
    for run in runs:
        if run.task_id and (run.task_id not in last or _attempt(last[run.task_id]) < _attempt(run)):
            last[run.task_id] = run
    counted = [run for run in runs if success_of(run) is not None and (not run.task_id or last[run.task_id] is run)]
    return sorted(counted, key=_END)


def failing(counted: Sequence[AnyRun], failures: int) -> Finding | None:
    """Returns a finding if the last outcomes, of `votes`, are so many failures."""
    streak: list[AnyRun] = []
    for run in reversed(counted):
        if success_of(run) != 0.0:
            break
        streak.append(run)
    if len(streak) < failures:
        return None
    at = streak[-failures]
    last = streak[0]
    why = ", ".join(cause(last.reason, last.error_type))
    return Finding(
        name=FAILING,
        since_ns=ended_ns(at),
        from_before=len(streak) == len(counted),
        uuid=last.uuid,
        detail=_failures(len(streak), why),
    )


def _failures(count: int, why: str) -> str:
    if count == 1:
        return f"the last run failed{why and f': {why}'}"
    return f"the last {count} runs failed{why and f', the very last: {why}'}"


def overrun(ended: Sequence[AnyRun], most_s: float) -> Finding | None:
    """Returns a finding if the last run that ended, of `by_end`, took longer than `max_runtime`."""
    found: Finding | None = None
    for run in ended:
        took_s = run.duration_s
        if took_s is None and run.started_ns is not None:  # lost: it lived at least so long
            took_s = (ended_ns(run) - run.started_ns) / NS
        if took_s is None or (run.reason == names.REASON_LOST and took_s <= most_s):
            continue
        if took_s <= most_s:
            found = None
        elif found is None:
            found = over(run, most_s, f"it took {took(took_s)}")
    return found


def over(run: AnyRun, most_s: float, detail: str) -> Finding:
    """Returns the finding of a run that goes or went on for too long."""
    return Finding(name=OVERRUN, since_ns=over_at_ns(run, most_s), uuid=run.uuid, detail=detail)


def over_at_ns(run: AnyRun, most_s: float) -> int:
    """Returns when a run exceeded `max_runtime`."""
    return started_ns(run) + int(most_s * NS)


def too_short(ended: Sequence[AnyRun], least_s: float) -> Finding | None:
    """Returns a finding if the last run that counts took less than `min_runtime`."""
    found: Finding | None = None
    for run in ended:
        if success_of(run) is None or run.duration_s is None:
            continue
        if run.duration_s >= least_s:
            found = None
        elif found is None:
            detail = f"it took {took(run.duration_s)}"
            found = Finding(name=TOO_SHORT, since_ns=ended_ns(run), uuid=run.uuid, detail=detail)
    return found


def too_often(runs: Iterable[AnyRun], least_s: float) -> Finding | None:
    """Returns a finding if the last two starts are less than `min_interval` apart; retries are no starts."""
    starts = sorted(
        (run for run in runs if run.started_ns is not None and _attempt(run)[0] <= _FIRST_ATTEMPT),
        key=lambda run: (started_ns(run), run.uuid),
    )
    found: Finding | None = None
    for before, run in pairwise(starts):
        apart_s = (started_ns(run) - started_ns(before)) / NS
        if apart_s >= least_s:
            found = None
        elif found is None:
            detail = f"{took(apart_s)} after the start before"
            found = Finding(name=TOO_OFTEN, since_ns=started_ns(run), uuid=run.uuid, detail=detail)
    return found


def _attempt(run: AnyRun) -> tuple[int, int, str]:
    """Orders the attempts of a task."""
    return run.attempt or _FIRST_ATTEMPT, started_ns(run), run.uuid
