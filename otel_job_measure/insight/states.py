"""The state of one job: everything that holds of it, from its expectation, its runs and what may be believed.

Nothing here reads a store or a clock. So every checker that has the same rows finds the same.
"""

from dataclasses import dataclass, replace

from otel_job_measure import names
from otel_job_measure.expectations.dues import dues
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.insight import due_times, limits
from otel_job_measure.insight.absence import Evidence, Known, Span
from otel_job_measure.insight.due_times import Judged
from otel_job_measure.insight.facts import Facts, Look, last_sign_ns
from otel_job_measure.insight.findings import FINE, ORDER, RUNNING, SILENT, STALE, UNKNOWN, Finding
from otel_job_measure.insight.intervals import interval_dues
from otel_job_measure.insight.matching import NS, match
from otel_job_measure.insight.run_store import OpenRun
from otel_job_measure.insight.slower import slower
from otel_job_measure.points.monitor import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What holds of a job.

    Args:
        job: The job.
        host: The host, if its scope is `host`.
        hosts: The hosts on which it can run, as far as is known.
        findings: All that holds, the state first; at least one.
        events: The events of the time that was looked at; writing one again changes nothing.
        due_times: What became of the due times.
    """

    job: JobId
    host: str | None
    hosts: frozenset[str]
    findings: tuple[Finding, ...]
    events: tuple[Event, ...]
    due_times: Judged

    @property
    def state(self) -> Finding:
        """The first finding that holds."""
        return self.findings[0]


def judge(facts: Facts, evidence: Evidence) -> Judgement:
    """Returns the state of a job and its events.

    Args:
        facts: What is known of the job.
        evidence: What the store is known to hold, and the time.
    """
    look = Look(facts, evidence)
    of_dues, found = _due_times(look)
    if not look.is_over:
        found += [*_of_runs(look), *_over(look), *_stale(look), *map(_silent, look.silent)]
    running = [each.run for each in look.open_runs if each not in look.silent]
    found += [Finding(name=RUNNING, since_ns=started_ns(run), uuid=run.uuid) for run in running]
    return Judgement(
        job=facts.job,
        host=None if facts.expected is None else facts.expected.host,
        hosts=look.hosts,
        findings=_in_order(found) or (_fine(look),),
        events=(
            *due_times.events(facts.job, of_dues, look),
            *due_times.withdrawn(of_dues, facts.events),
            *_overrun_events(look),
        ),
        due_times=of_dues,
    )


def _due_times(look: Look) -> tuple[Judged, list[Finding]]:
    """Returns what became of the due times, and what holds because of them."""
    facts, evidence, expected = look.facts, look.evidence, look.facts.expected
    if expected is None:
        return due_times.judged((), look), []
    of_schedule = dues(expected, facts.after_ns, evidence.now_ns)
    of_interval = interval_dues(expected, look.runs, facts.after_ns, evidence.now_ns)
    all_dues = sorted((*of_schedule.dues, *of_interval), key=lambda due: due.at_ns)
    skipped = [event for event in facts.events if event.event == names.EVENT_SKIPPED and not event.withdrawn]
    settled = match(all_dues, look.runs, skipped, look.live_until_ns())
    of_dues = due_times.judged(settled, look)
    if not look.is_expected:
        return of_dues, []
    found = due_times.findings(of_dues, look)
    if of_schedule.why and of_schedule.known_until_ns < evidence.now_ns:
        since_ns = of_schedule.known_until_ns
        found.append(Finding(name=UNKNOWN, since_ns=since_ns, from_before=True, detail=of_schedule.why))
    return of_dues, found


def _of_runs(look: Look) -> list[Finding]:
    """Returns what holds because of runs that are there."""
    expectation = look.expectation
    found = [slower(look.votes, look.facts.earlier)]
    failures = expectation.failures or 1
    failed = limits.failing(look.votes, failures)
    if failed is not None and (failures == 1 or _is_streak(look, failures)):
        found.append(failed)
    if expectation.max_runtime_s is not None:
        found.append(limits.overrun(limits.by_end(look.runs), expectation.max_runtime_s))
    if expectation.min_runtime_s is not None:
        found.append(limits.too_short(limits.by_end(look.runs), expectation.min_runtime_s))
    if expectation.min_interval_s is not None:
        found.append(limits.too_often(look.runs, expectation.min_interval_s))
    return [finding for finding in found if finding is not None]


def _is_streak(look: Look, failures: int) -> bool:
    """Returns whether no success can have come between the last failures: its rows may wait somewhere."""
    span = Span(limits.ended_ns(look.votes[-failures]), limits.ended_ns(look.votes[-1]))
    return look.absence(span) is not Known.UNKNOWN


def _over(look: Look) -> list[Finding]:
    """Returns findings of runs that are open beyond `max_runtime`, or whose end cannot be known."""
    most_s = look.expectation.max_runtime_s
    found: list[Finding] = []
    for run in (each.run for each in look.open_runs if most_s is not None):
        at_ns = limits.over_at_ns(run, most_s or 0.0)
        known = look.absence(Span(at_ns, at_ns), look.hosts_of(run))
        if look.evidence.now_ns <= at_ns or known is Known.NOT_YET:
            continue
        if known is Known.ABSENT:
            found.append(limits.over(run, most_s or 0.0, "it still runs"))
        else:
            detail = "whether a run has ended cannot be known yet"
            found.append(Finding(name=UNKNOWN, since_ns=at_ns, uuid=run.uuid, detail=detail, is_behind=True))
    return found


def _stale(look: Look) -> list[Finding]:
    """Returns a finding if the last success is too old, or may be."""
    max_age_s, expected = look.expectation.max_age_s, look.facts.expected
    if max_age_s is None or expected is None:
        return []
    last_ns = max((limits.ended_ns(run) for run in look.runs if limits.success_of(run) == 1.0), default=None)
    from_ns = expected.first_seen_ns if last_ns is None else last_ns
    most_ns, kept_ns = int(max_age_s * NS), look.evidence.kept_from_ns
    is_cut = from_ns < kept_ns and look.evidence.now_ns >= kept_ns + most_ns
    if is_cut:
        from_ns = kept_ns  # whatever was before it is too old
    until_ns = from_ns + most_ns
    # A clock that is ahead hides no success: it gives it a later time.
    evidence = replace(look.evidence, ahead={})
    known = evidence.absence(Span(from_ns, until_ns), look.hosts, may_move=look.may_move)
    if look.evidence.now_ns <= until_ns or known is Known.NOT_YET:
        return []
    if known is Known.UNKNOWN:
        detail = "whether there was a success cannot be known yet"
        return [Finding(name=UNKNOWN, since_ns=until_ns, detail=detail, is_behind=True)]
    detail = "" if last_ns is not None else "no success is known" if is_cut else "no success yet"
    return [Finding(name=STALE, since_ns=until_ns, from_before=is_cut, detail=detail)]


def _silent(each: OpenRun) -> Finding:
    detail = "no sign of life since its start" if each.alive_ns is None else "its signs of life stopped"
    return Finding(name=SILENT, since_ns=last_sign_ns(each), uuid=each.run.uuid, detail=detail)


def _overrun_events(look: Look) -> list[Event]:
    """Returns an event for each run that went on beyond `max_runtime`."""
    most_s = look.expectation.max_runtime_s
    if most_s is None:
        return []
    open_over = {finding.uuid for finding in _over(look) if finding.name != UNKNOWN}
    over = (run for run in look.runs if run.uuid in open_over or limits.overrun(limits.by_end([run]), most_s))
    return [
        Event(job=look.facts.job, event=names.EVENT_OVERRUN, at_ns=limits.over_at_ns(run, most_s), uuid=run.uuid)
        for run in over
    ]


def _fine(look: Look) -> Finding:
    """Returns that nothing else holds: since the last end, as far as the runs tell."""
    first_ns = 0 if look.facts.expected is None else look.facts.expected.first_seen_ns
    since_ns = max(map(limits.ended_ns, look.runs), default=first_ns)
    return Finding(name=FINE, since_ns=min(look.evidence.now_ns, since_ns), from_before=True)


def _in_order(found: list[Finding]) -> tuple[Finding, ...]:
    """Returns the findings in the order of the states, of each state the one that has held longest."""
    first: dict[tuple[str, bool], Finding] = {}
    for finding in sorted(found, key=lambda each: (ORDER[each.name], each.since_ns, each.uuid or "")):
        first.setdefault((finding.name, finding.is_behind), finding)
    return tuple(first.values())
