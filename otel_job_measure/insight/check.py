"""One look at all jobs: asks a store once, and judges each job of the answers."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from otel_job_measure.expectations.dues import dues
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.expectations.patterns import is_match
from otel_job_measure.expectations.precedence import effective, joined
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.mark import Mark
from otel_job_measure.insight.absence import Evidence, Span
from otel_job_measure.insight.facts import Facts
from otel_job_measure.insight.findings import Finding
from otel_job_measure.insight.hosts import About, about_hosts, hosts_ahead, told_of
from otel_job_measure.insight.limits import ended_ns, success_of
from otel_job_measure.insight.matching import NS, is_scheduled, started_ns
from otel_job_measure.insight.run_store import LastRuns, OpenRun, RunStore, Wanted
from otel_job_measure.insight.slower import LAST, LEAST
from otel_job_measure.insight.states import Judgement, judge
from otel_job_measure.names import DRILL
from otel_job_measure.points.monitor import Event, State

LOOK_NS: Final = 2 * 86_400 * NS
"""How far back each job is looked at; one that is due less often, back to its last due time."""
_BEFORE_NS: Final = 2 * 3600 * NS
"""Runs that started so long before the first due time can span it."""
_EARLY_NS: Final = 60 * NS
_FURTHER_NS: Final = (40 * 86_400 * NS, 370 * 86_400 * NS)
_MOST_RUNS: Final = 3000
"""Of more runs of one job, only the latest are looked at."""
_MOST_OF_HOSTS: Final = 100_000
"""Of a job that is judged on each host, before its runs are sorted by host."""
_SOME_BEFORE: Final = (10, 100, 1000)
"""So many runs before that time are asked for; more if all of them were started by hand."""
_ENOUGH: Final = LEAST + LAST
"""A job with so many runs in the time that is looked at is compared with these; of others, as many as `_COMPARED`."""
_COMPARED: Final = 2 * LEAST + LAST
_COMPARED_NS: Final = 60 * 86_400 * NS
"""So far back."""

Place = tuple[JobId, str | None]
"""A job, and its host if its scope is `host`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one look found.

    Args:
        evidence: What the store was known to hold.
        judgements: Of each job, in the order of the jobs.
        abouts: What holds of hosts and of the store.
        expected: What is expected of each job.
        last: Each job's last run and last success, also of jobs that are not judged.
    """

    evidence: Evidence
    judgements: tuple[Judgement, ...]
    abouts: tuple[About, ...]
    expected: Mapping[JobId, Sequence[ExpectedJob]]
    last: Mapping[JobId, LastRuns]

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
    asked = _Asked(store, after_ns, wants, here, drill)
    ahead = hosts_ahead(asked.latest(), evidence.senders, known_ahead or {}, now_ns)
    evidence = replace(evidence, ahead=ahead)
    before = {state.job: state for state in (store.states() if drill is None else ())}
    judgements = tuple(_as_before(_judged(asked, place, evidence), before.get(place[0])) for place in asked.places())
    return Checked(
        evidence=evidence,
        judgements=judgements,
        abouts=tuple(about_hosts(judgements, evidence)),
        expected=asked.expected(),
        last=asked.last,
    )


def _after_ns(evidence: Evidence, look_ns: int) -> int:
    """Returns how far back is looked: what was due in a longer outage is decided only after it."""
    after_ns = evidence.now_ns - look_ns
    gaps = () if evidence.is_history else evidence.gaps
    return min((gap.from_ns for gap in gaps if gap.until_ns > after_ns), default=after_ns)


def _judged(asked: "_Asked", place: Place, evidence: Evidence) -> Judgement:
    """Judges a job; one that was not due in the time that is looked at, back to its last due time."""
    facts = asked.facts(place)
    judged = judge(facts, evidence)
    if judged.due_times.settled:
        return judged
    further = asked.further(place, facts, evidence.now_ns)
    return judged if further is None else judge(further, evidence)


class _Asked:
    """The answers of a store, sorted by job."""

    def __init__(
        self,
        store: RunStore,
        after_ns: int,
        means: Callable[[JobId], bool],
        here: Sequence[ExpectedJob],
        drill: JobId | None,
    ) -> None:
        self._store = store
        self._after_ns = after_ns
        among = self._among = Wanted() if drill is None else Wanted.of_job(drill)

        def wants(job: JobId) -> bool:
            return means(job) and (job == drill or not job.job.startswith(DRILL))

        said = (*store.expectations(), *here) if drill is None else here
        expected = [job for job in effective(joined(said)) if wants(job.job)]
        self._expected: dict[Place, ExpectedJob] = {(job.job, job.host): job for job in expected}
        of_hosts = {job.job for job in expected if job.host is not None}
        self._runs: dict[Place, deque[AnyRun]] = defaultdict(lambda: deque(maxlen=_MOST_RUNS))
        self._open: dict[Place, list[OpenRun]] = defaultdict(list)
        self._events: dict[JobId, list[Event]] = defaultdict(list)

        def most(job: JobId) -> int:
            return (_MOST_OF_HOSTS if job in of_hosts else _MOST_RUNS) if wants(job) else 0

        def place(job: JobId, host: str | None) -> Place:
            return job, host if job in of_hosts else None

        for job, runs in store.checked_runs(replace(among, since_ns=after_ns - _BEFORE_NS), most).items():
            if job not in of_hosts:
                self._runs[job, None].extend(runs)
                continue
            for run in runs:
                self._runs[job, run.host].append(run)
        for each in store.open_runs(among):
            if wants(each.run.job_id):
                self._open[place(each.run.job_id, each.run.host)].append(each)
        for event in store.events(after_ns) if drill is None else ():
            self._events[event.job].append(event)
        self.last = {last.job: last for last in store.last_runs(among)}

    def places(self) -> list[Place]:
        """Returns all jobs that are expected, or have run in the time that is looked at."""
        ran = {
            place for place in (*self._runs, *self._open) if place in self._expected or place[0] not in self._hosted()
        }
        return sorted(ran | self._expected.keys(), key=lambda place: (place[0], place[1] or ""))

    def expected(self) -> Mapping[JobId, Sequence[ExpectedJob]]:
        """Returns what is expected of each job, on each host."""
        found: dict[JobId, list[ExpectedJob]] = defaultdict(list)
        for (job, _), expected in self._expected.items():
            found[job].append(expected)
        return found

    def latest(self) -> Iterable[AnyRun]:
        """Returns the latest run of each job."""
        return [runs[-1] for runs in self._runs.values() if runs]

    def facts(self, place: Place) -> Facts:
        """Returns what is known of a job in the time that is looked at."""
        job, host = place
        expected = self._expected.get(place)
        runs = list(self._runs.get(place, ()))
        after_ns = self._after_ns
        if len(runs) == _MOST_RUNS:
            after_ns = max(after_ns, started_ns(runs[0]) + _BEFORE_NS)
        runs = self._start_before(place, expected, runs, after_ns) + runs
        runs += self._votes_before(place, expected, runs)
        return Facts(
            job=job,
            expected=expected,
            runs=tuple(runs),
            open_runs=tuple(self._open.get(place, ())),
            last=self._last_of(place),
            events=tuple(self._events.get(job, ())) if host is None else (),
            earlier=self._earlier(place),
            after_ns=after_ns,
        )

    def further(self, place: Place, facts: Facts, now_ns: int) -> Facts | None:
        """Returns what is known of a job back to its last due time; None if there is none, or nothing can be missed."""
        due_ns = None if facts.expected is None else _last_due_ns(facts.expected, facts.after_ns, now_ns)
        if due_ns is None:
            return None
        success = None if facts.last is None else facts.last.success
        runs = facts.runs
        if success is None or ended_ns(success) < due_ns:
            known = {run.uuid for run in runs}
            since = self._started_since(place, due_ns - _BEFORE_NS)
            runs = (*runs, *(run for run in since if run.uuid not in known))
        return replace(facts, runs=runs, after_ns=due_ns - 1)

    def _earlier(self, place: Place) -> tuple[Mark, ...]:
        """Returns the latest runs of a job that has few in the time that is looked at; of several hosts, none."""
        job, host = place
        if not 0 < len(self._runs.get(place, ())) < _ENOUGH or (host is not None and self._places[job] > 1):
            return ()
        return tuple(reversed(self._recent.get(job, ())))

    @cached_property
    def _recent(self) -> Mapping[JobId, Sequence[Mark]]:
        """The latest runs of each job, asked for at most once."""
        return self._store.recent(replace(self._among, since_ns=self._after_ns - _COMPARED_NS), _COMPARED)

    @cached_property
    def _places(self) -> Counter[JobId]:
        """On how many hosts each job is expected."""
        return Counter(job for job, _ in self._expected)

    def _hosted(self) -> set[JobId]:
        return {job for job, host in self._expected if host is not None}

    def _last_of(self, place: Place) -> LastRuns | None:
        """Returns the last run and success; of one host only if they were there."""
        job, host = place
        last = self.last.get(job)
        if last is None or host is None:
            return last
        wanted = Wanted.of_job(job, host=host)
        runs = [run for run in (last.run, last.success) if run is not None and run.host == host]
        if not runs and not self._runs.get(place):
            runs = self._store.latest(wanted, 1)
        if not runs:
            return None
        successes = (run for run in runs if success_of(run) == 1.0)
        return LastRuns(job=job, run=runs[0], success=next(successes, None))

    def _started_since(self, place: Place, since_ns: int) -> list[AnyRun]:
        job, host = place
        wanted = Wanted.of_job(job, host=host, since_ns=since_ns)
        return list(deque(self._store.starts(wanted), _MOST_RUNS))

    def _start_before(
        self, place: Place, expected: ExpectedJob | None, runs: list[AnyRun], after_ns: int
    ) -> list[AnyRun]:
        """Returns the last runs before those that are known, if the due times of an interval depend on them."""
        if expected is None or expected.first_seen_ns >= after_ns or _has_scheduled(runs, after_ns):
            return []
        if all(version.expectation.every_s is None for version in expected.versions):
            return []
        job, host = place
        found: list[AnyRun] = []
        wanted = Wanted.of_job(job, host=host, until_ns=after_ns - _BEFORE_NS)
        for limit in _SOME_BEFORE if job in self.last else ():
            found = [*reversed(self._store.latest(wanted, limit))]
            if len(found) < limit or _has_scheduled(found, after_ns):
                break
        return found

    def _votes_before(self, place: Place, expected: ExpectedJob | None, runs: list[AnyRun]) -> list[AnyRun]:
        """Returns older runs if `failures` asks for more outcomes than are here, and all of these are failures."""
        least = (expected.expectation.failures or 1) if expected is not None else 1
        counted = [run for run in runs if success_of(run) is not None]
        if least == 1 or len(counted) >= least or any(success_of(run) == 1.0 for run in counted):
            return []
        job, host = place
        wanted = Wanted.of_job(job, host=host)
        known = {run.uuid for run in runs}
        return [run for run in self._store.latest(wanted, least + _SOME_BEFORE[0]) if run.uuid not in known]


def _has_scheduled(runs: Iterable[AnyRun], until_ns: int) -> bool:
    """Returns whether a run that started up to a time was no run by hand."""
    return any(is_scheduled(run) and started_ns(run) <= until_ns for run in runs)


def _last_due_ns(expected: ExpectedJob, after_ns: int, now_ns: int) -> int | None:
    """Returns the last due time of a job that is not due in the time that is looked at."""
    if expected.retired_ns is not None or expected.expectation.every_s is not None:
        every_ns = int((expected.expectation.every_s or 0) * 2.5 * NS)
        return now_ns - every_ns if every_ns > now_ns - after_ns else None
    for further_ns in _FURTHER_NS:
        found = dues(expected, now_ns - further_ns, after_ns).dues
        if found:
            return found[-1].at_ns
    return None


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
