"""All jobs as people see them: the terminal, the page and the report show these values and compute none of their own.

The states are those of `check`. Two questions are asked beside those of the check, whatever the number of jobs: the
summaries, and the latest runs of each job.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.asked import COMPARED
from otel_job_measure.insight.check import Checked, badness, wanted_jobs
from otel_job_measure.insight.finding_words import IDLE
from otel_job_measure.insight.findings import ORDER, Finding
from otel_job_measure.insight.hosts import About
from otel_job_measure.insight.next_due import next_due_ns
from otel_job_measure.insight.run_store import ALL, RunStore, Summary, Wanted
from otel_job_measure.insight.states import Judgement
from otel_job_measure.insight.tally import nothing_of

STRIP: Final = 30
"""How many of the last runs of each job a strip shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinding:
    """One thing that holds of a job.

    Args:
        finding: What holds.
        host: On which host, if the job is judged on each host; else None.
        told: Whether it stands for itself; else a finding about the host or the store stands for it.
    """

    finding: Finding
    host: str | None
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job as people see it.

    Args:
        job: The job.
        state: Its state as `check` finds it, of the worst host if it is judged on several; or `idle`.
        level: 0 for ok, 1 for a warning, 2 for critical, 3 for unknown.
        since_ns: Since when it is in this state; None if it is not judged.
        findings: All that holds, the state first; empty if it is not judged.
        last: Its last run, whatever the period; None if it never ran.
        success: Its last success, whatever the period.
        next_due_ns: When it is due next; None if that is unknown.
        summary: What its runs of the period come to; zeros if it did not run.
        strip: Its last runs, whatever the period, the oldest first.
    """

    job: JobId
    state: str
    level: int
    since_ns: int | None
    findings: tuple[JobFinding, ...]
    last: RunRecord | None
    success: RunRecord | None
    next_due_ns: int | None
    summary: Summary
    strip: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All jobs as people see them.

    Args:
        source: Where the answers come from, for people.
        at_ns: When it was.
        since_ns: The begin of the period whose runs are counted.
        kept_ns: Since when the store keeps all runs; 0 if it keeps them for ever.
        level: The worst level of these jobs, of the hosts and of the store, as `check` has it.
        hosts: What holds of hosts and of the store.
        jobs: The jobs, the worst first.
    """

    source: str
    at_ns: int
    since_ns: int
    kept_ns: int
    level: int
    hosts: tuple[About, ...]
    jobs: tuple[JobView, ...]


def jobs(store: RunStore, found: Checked, *, since_ns: int, wanted: Wanted = ALL, strip: int = STRIP) -> Overview:
    """Returns all jobs of a store as people see them.

    Args:
        store: The store that the check has asked.
        found: The check; it has looked at these jobs at least.
        since_ns: The begin of the period.
        wanted: Which jobs; with a host, only jobs that ran there in the period or are judged there.
        strip: How many of the last runs of each job are shown.

    Raises:
        StoreError: The store does not answer.
    """
    summaries = {each.job: each for each in store.summaries(replace(wanted, since_ns=since_ns))}
    strips = _strips(store, found, wanted, strip)
    judged = _judged(found, wanted, summaries)
    views = (
        view_of(job, found, judged.get(job, ()), summaries.get(job), strips.get(job, ()))
        for job in summaries.keys() | judged.keys()
    )
    return Overview(
        source=store.label,
        at_ns=found.at_ns,
        since_ns=since_ns,
        kept_ns=found.kept_ns,
        level=replace(found, judgements=tuple(chain.from_iterable(judged.values()))).level(),
        hosts=found.abouts,
        jobs=worst_first(views),
    )


def _strips(store: RunStore, found: Checked, wanted: Wanted, strip: int) -> Mapping[JobId, Sequence[Mark]]:
    """Returns the latest runs of each job, the newest first; they are not asked for again if the check has them."""
    wanted = replace(wanted, since_ns=None)
    if found.recent and wanted == wanted.of_jobs() and strip <= COMPARED:
        return {job: runs[:strip] for job, runs in found.recent.items()}
    return store.recent(wanted, strip)


def worst_first(views: Iterable[JobView]) -> tuple[JobView, ...]:
    """Returns jobs in the order in which people should look at them; of one level, those that fail most come first."""
    return tuple(sorted(views, key=lambda each: (-badness(each.level), _success(each), each.job)))


def _success(view: JobView) -> float:
    return 1.0 if view.summary.success is None else view.summary.success


def _judged(found: Checked, wanted: Wanted, ran: Collection[JobId]) -> Mapping[JobId, Sequence[Judgement]]:
    """Returns the judgements of each job that is wanted, the worst first.

    With a host, these are the jobs that are judged there, and those that ran there, whatever host they are expected on.
    """
    wants = wanted_jobs(wanted.pattern, wanted.project, wanted.stage)
    judged: dict[JobId, list[Judgement]] = defaultdict(list)
    for each in found.judgements:
        is_named = wanted.pattern is not None or wanted.job in {None, each.job.job}
        is_here = wanted.host in {None, each.host} or (each.host is None and each.job in ran)
        if is_named and is_here and wants(each.job):
            judged[each.job].append(each)
    for of_job in judged.values():
        of_job.sort(key=lambda each: (-badness(each.state.level), ORDER[each.state.name], each.host or ""))
    return judged


def view_of(
    job: JobId,
    found: Checked,
    judged: Sequence[Judgement] = (),
    summary: Summary | None = None,
    strip: Sequence[Mark] = (),
) -> JobView:
    """Returns one job from its parts; of one that neither ran nor is judged, only its last runs are known."""
    last = found.last.get(job)
    findings = tuple(
        JobFinding(finding=finding, host=each.host, told=finding in found.told(each))
        for each in judged
        for finding in each.findings
    )
    state = judged[0].state if judged else None
    return JobView(
        job=job,
        state=IDLE if state is None else state.name,
        level=0 if state is None else state.level,
        since_ns=None if state is None else state.since_ns,
        findings=findings,
        last=None if last is None else last.run,
        success=None if last is None else last.success,
        next_due_ns=next_due_ns(found.expected.get(job, ()), None if last is None else last.run, found.at_ns),
        summary=summary or nothing_of(job),
        strip=tuple(reversed(strip)),
    )
