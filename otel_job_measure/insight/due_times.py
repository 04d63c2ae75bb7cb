"""What became of a job's due times: which are decided as absent, and what holds because of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.absence import Evidence, Known, Span
from otel_job_measure.insight.findings import LATE, MISSED, NEVER_RAN, UNKNOWN, Finding
from otel_job_measure.insight.limits import ended_ns, success_of
from otel_job_measure.insight.matching import NS, Settled, deadline_ns, early_ns, started_ns
from otel_job_measure.points.monitor import Event

_LATE_S: Final = 60.0
"""A start needs some time to be seen: only then a job is called late, or at half of a shorter grace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The due times of a job, each under what is known of it; all in ascending order.

    Args:
        absent: Nothing started for them in time, which is certain.
        waiting: Nothing has started yet, or nothing is there yet.
        unknown: Nothing started for them as far as is known, which is not certain.
        settled: All of them.
    """

    absent: tuple[Settled, ...]
    waiting: tuple[Settled, ...]
    unknown: tuple[Settled, ...]
    settled: tuple[Settled, ...]


def judged(settled: Sequence[Settled], evidence: Evidence, hosts: frozenset[str]) -> Judged:
    """Sorts due times by what is known.

    Args:
        settled: Of `match`, for due times up to now.
        evidence: What the store is known to hold.
        hosts: The hosts on which the job could have run.
    """
    absent: list[Settled] = []
    waiting: list[Settled] = []
    unknown: list[Settled] = []
    for each in settled:
        due = each.due
        if each.in_time or each.skipped:
            continue
        if each.run is not None:
            absent.append(each)
            continue
        known = Known.NOT_YET
        if evidence.now_ns > deadline_ns(due):
            known = evidence.absence(Span(due.at_ns - early_ns(due), deadline_ns(due)), hosts)
        {Known.ABSENT: absent, Known.NOT_YET: waiting, Known.UNKNOWN: unknown}[known].append(each)
    return Judged(absent=tuple(absent), waiting=tuple(waiting), unknown=tuple(unknown), settled=tuple(settled))


def cleared_ns(of: Judged, runs: Sequence[RunRecord]) -> int | None:
    """Returns up to when absent due times no longer matter: the last due time that a run came for, or success."""
    matched = (max(each.due.at_ns, started_ns(each.run)) for each in of.settled if each.run is not None)
    successes = (ended_ns(run) for run in runs if success_of(run) == 1.0)
    return max((*matched, *successes), default=None)


def findings(of: Judged, evidence: Evidence, runs: Sequence[RunRecord], after_ns: int) -> list[Finding]:
    """Returns what holds because of the due times.

    Args:
        of: The due times.
        evidence: What the store is known to hold.
        runs: All runs that are known.
        after_ns: Earlier due times were not looked at.
    """
    found: list[Finding] = []
    cleared = cleared_ns(of, runs)
    from_before = cleared is None or cleared < after_ns
    absent = [each for each in of.absent if cleared is None or each.due.at_ns > cleared]
    if absent:
        first, last = absent[0].due, absent[-1].due
        found.append(
            Finding(
                name=MISSED if runs else NEVER_RAN,
                since_ns=first.at_ns,
                from_before=from_before,
                due_ns=last.at_ns,
                detail=f"{len(absent)} in a row" if len(absent) > 1 else "",
            )
        )
    unknown = [each.due for each in of.unknown if cleared is None or each.due.at_ns > cleared]
    if unknown:
        found.append(
            Finding(
                name=UNKNOWN,
                since_ns=unknown[0].at_ns,
                from_before=from_before,
                due_ns=unknown[-1].at_ns,
                detail="whether it ran cannot be known yet",
            )
        )
    late = [each.due for each in of.waiting if _late_ns(each) <= evidence.now_ns]
    if late:
        found.append(Finding(name=LATE, since_ns=late[0].at_ns, due_ns=late[-1].at_ns))
    return found


def events(job: JobId, of: Judged, runs: Sequence[RunRecord]) -> list[Event]:
    """Returns the events of the due times: every checker makes the same ones."""
    found = [_event(job, names.EVENT_MISSED, each) for each in of.absent]
    found += [_event(job, names.EVENT_SKIPPED, each) for each in of.settled if each.skipped]
    clearing = sorted(
        [(started_ns(each.run), each.run) for each in of.settled if each.run is not None]
        + [(ended_ns(run), run) for run in runs if success_of(run) == 1.0],
        key=lambda pair: (pair[0], pair[1].uuid),
    )
    at, open_ns = 0, None
    for each in of.absent:
        if open_ns is not None and each.due.at_ns <= open_ns:
            continue
        while at < len(clearing) and clearing[at][0] <= each.due.at_ns:
            at += 1
        if at == len(clearing):
            break
        open_ns, run = clearing[at]
        found.append(
            Event(
                job=job,
                event=names.EVENT_RECOVERED,
                at_ns=started_ns(run),
                due_ns=each.due.at_ns,
                uuid=run.uuid,
            )
        )
    return found


def _event(job: JobId, event: str, each: Settled) -> Event:
    return Event(job=job, event=event, at_ns=each.due.at_ns, due_ns=each.due.at_ns, detail=each.skipped)


def _late_ns(each: Settled) -> int:
    """Returns from when on a start is late."""
    return each.due.at_ns + int(min(_LATE_S, each.due.grace_s / 2) * NS)


def withdrawn(of: Judged, told: Sequence[Event]) -> list[Event]:
    """Returns the events that take back misses which later data refute.

    Args:
        of: The due times as they are known now.
        told: Earlier events of the job.
    """
    missed = {event.due_ns: event for event in told if event.event == names.EVENT_MISSED and not event.withdrawn}
    refuted = [each for each in of.settled if each.in_time or each.skipped]
    return [
        replace(missed[each.due.at_ns], uuid=None if each.run is None else each.run.uuid, withdrawn=True)
        for each in refuted
        if each.due.at_ns in missed
    ]
