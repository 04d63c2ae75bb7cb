"""What became of a job's due times: which are decided as absent, and what holds because of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from otel_job_measure import names
from otel_job_measure.expectations.dues import Due, dues
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.insight.absence import Known, Span
from otel_job_measure.insight.facts import Look
from otel_job_measure.insight.findings import LATE, MISSED, NEVER_RAN, UNKNOWN, Finding
from otel_job_measure.insight.limits import ended_ns, success_of
from otel_job_measure.insight.matching import GOING_ON, NS, Settled, deadline_ns, early_ns, is_scheduled
from otel_job_measure.points.monitor import Event

_LATE_S: Final = 60.0
"""A start needs some time to be seen: only then a job is called late, or at half of a shorter grace."""
_MOST_BEFORE: Final = 200
"""About so many due times before a look are counted at most: all jobs of a fleet may be missed at once."""


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


def judged(settled: Sequence[Settled], look: Look) -> Judged:
    """Sorts due times, of `match`, by what is known."""
    evidence = look.evidence
    absent: list[Settled] = []
    waiting: list[Settled] = []
    unknown: list[Settled] = []
    for each in settled:
        due = each.due
        if each.in_time or each.skipped:
            continue
        window = Span(due.at_ns - early_ns(due), deadline_ns(due))
        if each.run is not None:  # its scheduler made up for it, or its host's clock only says so
            where = {each.run.host} if each.run.host else look.hosts or evidence.ahead.keys()
            if not any(evidence.is_ahead(host, window) for host in where):
                absent.append(each)
            continue
        known = Known.NOT_YET
        if evidence.now_ns > deadline_ns(due):
            known = look.absence(window)
        {Known.ABSENT: absent, Known.NOT_YET: waiting, Known.UNKNOWN: unknown}[known].append(each)
    return Judged(absent=tuple(absent), waiting=tuple(waiting), unknown=tuple(unknown), settled=tuple(settled))


def cleared_ns(of: Judged, runs: Sequence[AnyRun]) -> int | None:
    """Returns up to when absent due times no longer matter: the last due time that a run came for, or success."""
    matched = (max(each.due.at_ns, started_ns(each.run)) for each in of.settled if each.run is not None)
    successes = (ended_ns(run) for run in runs if success_of(run) == 1.0)
    return max((*matched, *successes), default=None)


def findings(of: Judged, look: Look) -> list[Finding]:
    """Returns what holds because of the due times."""
    found: list[Finding] = []
    cleared = cleared_ns(of, look.runs)
    from_before = cleared is None or cleared < look.facts.after_ns
    absent = [each for each in of.absent if cleared is None or each.due.at_ns > cleared]
    if absent:
        earlier, is_first = _before(look, len(of.settled)) if from_before else ((), True)
        count = len(earlier) + len(absent)
        found.append(
            Finding(
                name=MISSED if look.runs else NEVER_RAN,
                since_ns=earlier[0].at_ns if earlier else absent[0].due.at_ns,
                from_before=from_before,
                due_ns=absent[-1].due.at_ns,
                detail=f"{count} {'' if is_first else 'or more '}in a row" if count > 1 else "",
            )
        )
    unknown = [each.due for each in of.unknown if cleared is None or each.due.at_ns > cleared]
    if unknown:
        found.append(
            Finding(
                name=UNKNOWN,
                since_ns=deadline_ns(unknown[0]),  # until then nothing had to be known
                from_before=from_before,
                due_ns=unknown[-1].at_ns,
                detail="whether it ran cannot be known yet",
                is_behind=True,
            )
        )
    late = [each.due for each in of.waiting if _is_late(each, look)]
    if late:
        found.append(Finding(name=LATE, since_ns=late[0].at_ns, due_ns=late[-1].at_ns))
    return found


def _before(look: Look, count: int) -> tuple[Sequence[Due], bool]:
    """Returns what was due between the last run and the look, and whether the first of these due times is known.

    Args:
        look: The look.
        count: How many due times it has.
    """
    expected, evidence, after_ns = look.facts.expected, look.evidence, look.facts.after_ns
    last = look.runs[-1] if look.runs else None
    if expected is None or (last is not None and last.ended_ns is None):
        return (), False
    begin_ns = expected.first_seen_ns if last is None else ended_ns(last)
    most_ns = (evidence.now_ns - after_ns) * _MOST_BEFORE // count
    from_ns = max(begin_ns, evidence.kept_from_ns, after_ns - most_ns)
    is_first = from_ns == begin_ns and (last is None or is_scheduled(last) or success_of(last) == 1.0)
    if from_ns >= after_ns:
        return (), is_first
    # A scheduler's list has a begin of its own, and an interval depends on runs.
    if look.expectation.schedule is None or look.absence(Span(from_ns, after_ns)) is not Known.ABSENT:
        return (), False
    found = [due for due in dues(expected, from_ns, after_ns).dues if due.skip is None]
    # The last run may have started, and ended, a little before it was due.
    return [due for due in found if last is None or due.at_ns - early_ns(due) > started_ns(last)], is_first


def events(job: JobId, of: Judged, look: Look) -> list[Event]:
    """Returns the events of the due times: every checker makes the same ones.

    A due time is said to be skipped only once it is certain that the run before it lived. Later looks believe it.
    """
    runs, sure_ns = look.runs, look.surely_live_until_ns()
    is_sure = (each.skipped != GOING_ON or each.due.at_ns < sure_ns for each in of.settled)
    found = [_event(job, names.EVENT_MISSED, each) for each in of.absent]
    found += [
        _event(job, names.EVENT_SKIPPED, each)
        for each, sure in zip(of.settled, is_sure, strict=True)
        if each.skipped and sure
    ]
    if not of.absent:
        return found
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


def _is_late(each: Settled, look: Look) -> bool:
    """Returns whether a start is late, as far as can be known now."""
    now_ns, due = look.evidence.now_ns, each.due
    late_ns = due.at_ns + int(min(_LATE_S, due.grace_s / 2) * NS)
    return now_ns >= late_ns and look.absence(Span(due.at_ns - early_ns(due), now_ns)) is not Known.UNKNOWN
