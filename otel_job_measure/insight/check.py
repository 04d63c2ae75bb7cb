"""One look at all jobs: asks a store once, and judges each job of the answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.expectations.patterns import is_match
from otel_job_measure.history.mark import Mark
from otel_job_measure.insight.absence import Evidence, Span
from otel_job_measure.insight.asked import Asked, Place
from otel_job_measure.insight.findings import Finding
from otel_job_measure.insight.hosts import About, about_hosts, about_nothing, hosts_ahead, told_of
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.run_store import LastRuns, RunStore
from otel_job_measure.insight.states import Judgement, judge
from otel_job_measure.points.monitor import State

LOOK_NS: Final = 2 * 86_400 * NS
"""How far back each job is looked at; one that is due less often, back to its last due time."""
_EARLY_NS: Final = 60 * NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one look found.

    Args:
        evidence: What the store was known to hold.
        kept_ns: Since when it keeps all runs; 0 if it keeps them for ever.
        judgements: Of each job, in the order of the jobs.
        abouts: What holds of hosts and of the store.
        expected: What is expected of each job.
        last: Each job's last run and last success, also of jobs that are not judged.
        recent: The latest `COMPARED` runs of each job, the newest first, if the look asked for them; else empty.
    """

    evidence: Evidence
    kept_ns: int
    judgements: tuple[Judgement, ...]
    abouts: tuple[About, ...]
    expected: Mapping[JobId, Sequence[ExpectedJob]]
    last: Mapping[JobId, LastRuns]
    recent: Mapping[JobId, Sequence[Mark]]

    @property
    def at_ns(self) -> int:
        """When it was."""
        return self.evidence.now_ns

    def told(self, judgement: Judgement) -> tuple[Finding, ...]:
        """Returns the findings of a job that stand for themselves."""
        return told_of(judgement, self.abouts)

    def level(self) -> int:
        """Returns the worst level: critical counts more than unknown, as with other plugins of Nagios."""
        levels = {finding.level for each in self.judgements for finding in self.told(each)}
        levels |= {about.finding.level for about in self.abouts}
        levels |= {each.state.level for each in self.judgements if each.state.is_behind}
        return next((level for level in (2, 3, 1) if level in levels), 0)


def checked(  # noqa: PLR0913 - what one look is given
    store: RunStore,
    evidence: Evidence,
    *,
    wants: Callable[[JobId], bool] = lambda _: True,
    known_ahead: Mapping[str, Span] | None = None,
    here: Sequence[ExpectedJob] = (),
    look_ns: int = LOOK_NS,
    drill: JobId | None = None,
) -> Checked:
    """Judges all jobs of a store.

    Args:
        store: The store.
        evidence: What it is known to hold; its senders are asked here if it is no history.
        wants: Which jobs are looked at.
        known_ahead: The hosts whose clocks an earlier look found ahead.
        here: What the checker's own state directory expects beside the store.
        look_ns: How far back runs are looked at.
        drill: The job of a `doctor --drill`: only that one is looked at, and only `here` says what is expected of it.
            Every other look leaves drills out: nobody wants to be told of them.

    Raises:
        StoreError: The store does not answer.
    """
    now_ns = evidence.now_ns
    if not evidence.is_history:
        senders = {sender.host: sender for sender in store.senders(now_ns - 8 * 86_400 * NS)}
        evidence = replace(evidence, senders=senders)
    keeps_s = store.keeps_s()
    kept_from_ns = 0 if keeps_s is None else now_ns - int(keeps_s * NS)
    if not evidence.is_history:  # a history keeps the last run of each job
        evidence = replace(evidence, kept_from_ns=kept_from_ns)
    # Of a due time that is looked at, all runs that may match it are kept.
    after_ns = max(_after_ns(evidence, look_ns), kept_from_ns + _EARLY_NS)
    asked = Asked(store, evidence, after_ns, wants, here, drill)
    ahead = hosts_ahead(asked.latest(), evidence.senders, known_ahead or {}, now_ns)
    evidence = replace(evidence, ahead=ahead)
    before = {state.job: state for state in (store.states() if drill is None else ())}
    judgements = tuple(_as_before(_judged(asked, place, evidence), before.get(place[0])) for place in asked.places())
    return Checked(
        evidence=evidence,
        kept_ns=kept_from_ns,
        judgements=judgements,
        abouts=(*about_hosts(judgements, evidence), *(() if judgements else about_nothing(evidence, after_ns))),
        expected=asked.expected(),
        last=asked.last,
        recent=asked.has_recent,
    )


def _after_ns(evidence: Evidence, look_ns: int) -> int:
    """Returns how far back is looked: what was due in a longer outage is decided only after it."""
    after_ns = evidence.now_ns - look_ns
    gaps = () if evidence.is_history else evidence.gaps
    return min((gap.from_ns for gap in gaps if gap.until_ns > after_ns), default=after_ns)


def _judged(asked: Asked, place: Place, evidence: Evidence) -> Judgement:
    """Judges a job; one that was not due in the time that is looked at, back to its last due time."""
    facts = asked.facts(place)
    judged = judge(facts, evidence)
    if judged.due_times.settled:
        return judged
    further = asked.further(place, facts, evidence.now_ns)
    return judged if further is None else judge(further, evidence)


def _as_before(judgement: Judgement, before: State | None) -> Judgement:
    """Returns a judgement whose state has held for as long as an earlier look said, if it may have."""
    state = judgement.state
    if before is None or before.state != state.name or not state.from_before or before.since_ns >= state.since_ns:
        return judgement
    return replace(judgement, findings=(replace(state, since_ns=before.since_ns), *judgement.findings[1:]))


def wanted_jobs(job: str | None, project: str | None, stage: str | None) -> Callable[[JobId], bool]:
    """Returns which jobs a command means."""

    def wants(found: JobId) -> bool:
        is_named = job is None or is_match(job, found.job)
        return is_named and project in {None, found.project} and stage in {None, found.stage}

    return wants


def badness(level: int) -> int:
    """Returns how bad a level is: critical counts more than unknown, as with other plugins of Nagios."""
    return (0, 1, 3, 2)[level]
