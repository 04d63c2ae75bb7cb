"""What one look at all jobs asks a store for, sorted by job."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from otel_job_measure.expectations.dues import dues
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.expectations.precedence import effective, joined
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.insight.absence import Evidence
from otel_job_measure.insight.facts import Facts
from otel_job_measure.insight.limits import ended_ns, success_of
from otel_job_measure.insight.matching import NS, is_scheduled
from otel_job_measure.insight.run_store import LastRuns, OpenRun, RunStore, Wanted
from otel_job_measure.insight.slower import LAST, LEAST, MOST, compared
from otel_job_measure.names import DRILL

if TYPE_CHECKING:
    from otel_job_measure.points.monitor import Event

_BEFORE_NS: Final = 2 * 3600 * NS
"""Runs that started so long before the first due time can span it."""
_FURTHER_NS: Final = (40 * 86_400 * NS, 370 * 86_400 * NS)
_MOST_RUNS: Final = 3000
"""Of more runs of one job, only the latest are looked at."""
_FEW: Final = 130
"""So many if nothing is expected of it: if enough of them are successes, older ones say nothing."""
_MOST_OF_HOSTS: Final = 100_000
"""Of a job that is judged on each host, before its runs are sorted by host."""
_SOME_BEFORE: Final = (10, 100, 1000)
"""So many runs before that time are asked for; more if all of them were started by hand."""
_ENOUGH: Final = LEAST + LAST
"""A job with so many runs in the time that is looked at is compared with these; of others, as many as `COMPARED`."""
COMPARED: Final = 2 * LEAST + LAST
_COMPARED_NS: Final = 60 * 86_400 * NS
"""So far back."""

Place = tuple[JobId, str | None]
"""A job, and its host if its scope is `host`."""


class Asked:
    """The answers of a store, sorted by job."""

    def __init__(  # noqa: PLR0913, PLR0917 - what one look asks for
        self,
        store: RunStore,
        evidence: Evidence,
        after_ns: int,
        means: Callable[[JobId], bool],
        here: Sequence[ExpectedJob],
        drill: JobId | None,
    ) -> None:
        self._store = store
        self._is_history = evidence.is_history
        self._after_ns = after_ns
        self._means, self._drill = means, drill
        among = self._among = Wanted() if drill is None else Wanted.of_job(drill)
        said = (*store.expectations(), *here) if drill is None else here
        expected = [job for job in effective(joined(said)) if self._wants(job.job)]
        self._expected: dict[Place, ExpectedJob] = {(job.job, job.host): job for job in expected}
        self._hosted = {job.job for job in expected if job.host is not None}
        self._runs: dict[Place, deque[AnyRun]] = defaultdict(lambda: deque(maxlen=_MOST_RUNS))
        self._open: dict[Place, list[OpenRun]] = defaultdict(list)
        self._events: dict[JobId, list[Event]] = defaultdict(list)
        for job, runs in store.checked_runs(replace(among, since_ns=after_ns - _BEFORE_NS), self._most).items():
            if job in self._hosted:
                for run in runs:
                    self._runs[job, run.host].append(run)
            else:
                self._runs[job, None].extend(runs)
        for each in store.open_runs(among):
            job = each.run.job_id
            if self._wants(job):
                self._open[job, each.run.host if job in self._hosted else None].append(each)
        for event in store.events(after_ns) if drill is None else ():
            self._events[event.job].append(event)
        self.last = {last.job: last for last in store.last_runs(among)}

    def _wants(self, job: JobId) -> bool:
        return self._means(job) and (job == self._drill or not job.job.startswith(DRILL))

    def _most(self, job: JobId) -> int:
        """Returns how many of its latest runs are asked for at first."""
        if not self._wants(job):
            return 0
        if job in self._hosted:
            return _MOST_OF_HOSTS
        return _FEW if self._is_history and (job, None) not in self._expected else _MOST_RUNS

    def places(self) -> list[Place]:
        """Returns all jobs that are expected, or have run in the time that is looked at."""
        ran = {place for place in (*self._runs, *self._open) if place in self._expected or place[0] not in self._hosted}
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
        runs = self._runs_of(place)
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

    def _runs_of(self, place: Place) -> list[AnyRun]:
        """Returns the runs of a job; if those that were asked for at first do not suffice, more of them."""
        runs = list(self._runs.get(place, ()))
        if len(runs) != _FEW or place in self._expected:
            return runs
        return runs if len(compared(runs)) >= MOST + LAST else self._started_since(place, self._after_ns - _BEFORE_NS)

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
        since_ns = self._after_ns - _COMPARED_NS
        return tuple(run for run in reversed(self._recent.get(job, ())) if started_ns(run) >= since_ns)

    @property
    def has_recent(self) -> Mapping[JobId, Sequence[Mark]]:
        """The latest runs of each job, if they were asked for whatever their time; else empty."""
        return self.__dict__.get("_recent", {}) if self._is_history else {}

    @cached_property
    def _recent(self) -> Mapping[JobId, Sequence[Mark]]:
        """The latest runs of each job, asked for at most once; an InfluxDB would look for them in all its time."""
        since_ns = None if self._is_history else self._after_ns - _COMPARED_NS
        return self._store.recent(replace(self._among, since_ns=since_ns), COMPARED)

    @cached_property
    def _places(self) -> Counter[JobId]:
        """On how many hosts each job is expected."""
        return Counter(job for job, _ in self._expected)

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
        return [*self._store.checked_runs(wanted, lambda _: _MOST_RUNS).get(job, ())]

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
        if least == 1:
            return []
        counted = [run for run in runs if success_of(run) is not None]
        if len(counted) >= least or any(success_of(run) == 1.0 for run in counted):
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
