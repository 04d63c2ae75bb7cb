"""What is known of one job, put in order once: its runs, which of them are open, and which of those are silent."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Final

from otel_job_measure.expectations.dues import in_force
from otel_job_measure.expectations.expectation import Expectation, ExpectedJob, JobId
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.run_order import oldest, started_ns
from otel_job_measure.insight.absence import Evidence, Known, Span
from otel_job_measure.insight.limits import votes
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.run_store import LastRuns, OpenRun
from otel_job_measure.points.monitor import Event

INTERVALS: Final = 3
"""A run is silent after so many intervals without a sign of life."""
INTERVAL_S: Final = 60.0
"""How often a sign of life comes if no sign says so."""
_HOSTS_OF: Final = 10
_NOTHING: Final = Expectation()
_FOR_EVER: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a store says of one job, or of one job on one host if its scope is `host`.

    Args:
        job: The job.
        expected: What should happen; None if nothing is expected of it.
        runs: Its runs of the time that is looked at, in any order; open ones may be among them.
        open_runs: Its runs that have not ended, however old they are.
        last: Its last run and its last success, however old they are.
        events: Its events of the time that is looked at.
        earlier: Of a job with few runs in that time: its latest ones, the oldest first.
        after_ns: Only due times later than this are looked at.
    """

    job: JobId
    expected: ExpectedJob | None = None
    runs: tuple[AnyRun, ...] = ()
    open_runs: tuple[OpenRun, ...] = ()
    last: LastRuns | None = None
    events: tuple[Event, ...] = ()
    earlier: tuple[Mark, ...] = ()
    after_ns: int = 0


@dataclass(frozen=True)
class Look:
    """The facts of one job, and the evidence of their store."""

    facts: Facts
    evidence: Evidence

    @cached_property
    def runs(self) -> list[AnyRun]:
        """All runs, each once, in the order of their starts; a known end counts more than an open run."""
        last = () if self.facts.last is None else (self.facts.last.run, self.facts.last.success)
        known: dict[str, AnyRun] = {each.run.uuid: each.run for each in self.facts.open_runs}
        for run in chain(last, self.facts.runs):
            if run is not None and (run.ended_ns is not None or run.uuid not in known):
                known[run.uuid] = run
        return sorted(known.values(), key=oldest)

    @cached_property
    def votes(self) -> list[AnyRun]:
        """The runs whose success counts, in the order of their ends."""
        return votes(self.runs)

    @cached_property
    def open_runs(self) -> list[OpenRun]:
        """The runs whose end is not known."""
        if not self.facts.open_runs:
            return []
        ended = {run.uuid for run in self.runs if run.ended_ns is not None}
        return [each for each in self.facts.open_runs if each.run.uuid not in ended]

    @cached_property
    def silent(self) -> list[OpenRun]:
        """The open runs whose signs of life stopped."""
        return [each for each in self.open_runs if self._is_silent(each)]

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The hosts on which the job can run: its own, or those of its last ten runs."""
        expected = self.facts.expected
        if expected is not None and expected.host is not None:
            return frozenset({expected.host})
        return frozenset(islice((run.host for run in reversed(self.runs) if run.host), _HOSTS_OF))

    @property
    def may_move(self) -> bool:
        """Whether a run on any host counts."""
        return self.facts.expected is None or self.facts.expected.host is None

    def absence(self, span: Span, hosts: frozenset[str] | None = None) -> Known:
        """Returns what is known if there is no row of a time, from the job's hosts or from some of them."""
        return self.evidence.absence(span, self.hosts if hosts is None else hosts, may_move=self.may_move)

    @cached_property
    def is_expected(self) -> bool:
        """Whether an expectation is in force."""
        return self.facts.expected is not None and in_force(self.facts.expected, self.evidence.now_ns) is not None

    @cached_property
    def expectation(self) -> Expectation:
        """The limits that are in force."""
        version = None if self.facts.expected is None else in_force(self.facts.expected, self.evidence.now_ns)
        return _NOTHING if version is None else version.expectation

    @property
    def is_over(self) -> bool:
        """Whether the job is retired and has not run since."""
        expected = self.facts.expected
        if expected is None or expected.retired_ns is None or expected.retired_ns > self.evidence.now_ns:
            return False
        return not self.runs or started_ns(self.runs[-1]) < expected.retired_ns

    def live_until_ns(self) -> dict[str, int]:
        """Returns until when each open run has lived as far as can be assumed, by its uuid."""
        return {each.run.uuid: self._lives_until_ns(each) for each in self.open_runs}

    def surely_live_until_ns(self) -> int:
        """Returns up to when it is certain what every open run did; what a silent one did is known."""
        return min((last_sign_ns(each) for each in self.open_runs if each not in self.silent), default=_FOR_EVER)

    def _lives_until_ns(self, each: OpenRun) -> int:
        """Returns until when an open run has lived: its end may wait with its host, or be held up by an outage."""
        last_ns, evidence = last_sign_ns(each), self.evidence
        if each in self.silent or evidence.outage_now() is not None:
            return last_ns
        hosts = self.hosts_of(each.run) or evidence.senders.keys()
        said = [evidence.senders[host].complete_until_ns for host in hosts if evidence.waits(host, evidence.now_ns)]
        return max(last_ns, min(said, default=evidence.now_ns + 1))

    def hosts_of(self, run: AnyRun) -> frozenset[str]:
        """Returns the hosts on which a run can be: start rows name none."""
        return frozenset({run.host}) if run.host else self.hosts

    def _is_silent(self, each: OpenRun) -> bool:
        """Returns whether the signs of life of an open run stopped; the time of an outage does not count.

        A host whose clock is ahead makes its signs look fresh for longer, which only delays the finding.
        """
        evidence = self.evidence
        if evidence.is_history and each.alive_ns is None:
            return False  # the history is beside the journal, whose recovery pass ends it
        last_ns = max((last_sign_ns(each), *(gap.until_ns for gap in evidence.outages())))
        most_ns = int(INTERVALS * (each.interval_s or INTERVAL_S) * NS)
        waits = any(evidence.waits(host, evidence.now_ns) for host in self.hosts_of(each.run))
        # What has just begun may be an outage, in which the signs of all runs stop.
        return evidence.now_ns - last_ns >= most_ns and not waits and evidence.overdue_now() is None


def last_sign_ns(each: OpenRun) -> int:
    """Returns when an open run was last known to live."""
    return max(started_ns(each.run), each.alive_ns or 0)
