"""A checker that passes each minute over one simulated job, and what it got wrong."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from benchmarks.simulation import truth
from benchmarks.simulation.jobs import Job, Ran, record_of
from benchmarks.simulation.moments import moments
from benchmarks.simulation.score import Score
from benchmarks.simulation.world import HOUR, MINUTE, World
from otel_job_measure import names
from otel_job_measure.insight.absence import Evidence, Span
from otel_job_measure.insight.check import LOOK_NS
from otel_job_measure.insight.facts import Facts, Look
from otel_job_measure.insight.findings import FAILING, MISSED, OVERRUN, SILENT, UNKNOWN
from otel_job_measure.insight.hosts import AHEAD_S, hosts_ahead
from otel_job_measure.insight.run_store import LastRuns, OpenRun
from otel_job_measure.insight.states import Judgement, judge

if TYPE_CHECKING:
    from otel_job_measure.points.monitor import Event

_RECENT: Final = 12
_LATEST_S: Final = 4 * HOUR
"""Rows come at most so late, but for outages, dead hosts and times without a checker."""
_MOST_WRITTEN: Final = 200
_SOON: Final = 5
"""A finding comes so many passes after it can be decided, at most."""


class Watch:
    """One job as a checker sees it."""

    def __init__(self, job: Job, world: World, score: Score, *, looks_far: bool = False) -> None:
        self.job = job
        self.world = world
        self.score = score
        self.starts = [ran.start_s for ran in job.runs]
        self.told: dict[int, float] = {}
        self.named: dict[str, dict[str, float]] = {SILENT: {}, OVERRUN: {}, FAILING: {}}
        self.written: dict[tuple[object, ...], Event] = {}
        self.was_unknown = False
        self._looks_far = looks_far
        ended = [(each.away.from_s, max(each.done_s.values())) for each in world.outages]
        hosts = {ran.host for ran in job.runs} | {job.expected.host or ""}
        ended += [*world.unwatched, *(away for host, dead in world.dead.items() if host in hosts for away in dead)]
        self._away = sorted(ended, key=lambda away: away[1])

    def after_s(self, now_s: float) -> float:
        """Returns how far back this look goes: two days, as that of the command, if anything so old may be new."""
        furthest_s = max(0.0, now_s - LOOK_NS / 1e9)  # no job is due before the beginning
        if self._looks_far:
            return furthest_s
        recent_s = now_s - _LATEST_S
        first = bisect_left(self._away, recent_s, key=lambda away: away[1])
        began = (from_s - _LATEST_S for from_s, _ in self._away[first:])
        return max(furthest_s, min((recent_s, *began)))

    def facts(self, now_s: float, after_s: float) -> Facts:
        """Returns what the store has of the job since a time."""
        world, job, after_ns = self.world, self.job, self.world.ns(after_s)
        last = bisect_right(self.starts, now_s)
        first = max(0, min(self._first(after_s), last - _RECENT))
        some = job.runs[first:last]
        records = [(ran, record) for ran in some if (record := record_of(job, ran, world, now_s)) is not None]
        before = job.runs[:first]
        success = next((ran for ran in reversed(before[-200:]) if _succeeded(ran, now_s)), None)
        known = None if success is None else record_of(job, success, world, now_s)
        known_skips = bisect_left(job.skipped, after_ns, key=lambda event: event.at_ns)
        until = bisect_right(job.skipped, world.ns(now_s), key=lambda event: event.at_ns)
        events = (*job.skipped[known_skips:until], *self.written.values())
        return Facts(
            job=job.expected.job,
            expected=job.expected,
            runs=tuple(record for _, record in records),
            open_runs=tuple(
                OpenRun(run=record, alive_ns=self._alive_ns(ran, now_s), interval_s=60.0)
                for ran, record in records
                if record.ended_ns is None
            ),
            last=None if known is None else LastRuns(job=job.expected.job, run=known, success=known),
            events=tuple(event for event in events if after_ns < event.at_ns <= world.ns(now_s)),
            after_ns=after_ns,
        )

    def _first(self, after_s: float) -> int:
        """Returns the first run that the command asks for: with an interval, due times depend on the start before."""
        first = bisect_left(self.starts, after_s - 2 * HOUR)
        if self.job.limits.every_s is None:
            return first
        until = bisect_right(self.starts, after_s)
        while first > 0 and all(ran.trigger == names.TRIGGER_MANUAL for ran in self.job.runs[first:until]):
            first -= 1
        return first

    def _alive_ns(self, ran: Ran, now_s: float) -> int | None:
        """Returns the last sign of life that has arrived: signs that find the server away are not sent again."""
        sign_s = ran.start_s + (min(now_s - 2, ran.end_s) - ran.start_s) // MINUTE * MINUTE
        while sign_s > ran.start_s and not self.world.is_heard(ran.host, sign_s):
            sign_s -= MINUTE
        return self.world.ns(sign_s + self.world.hosts[ran.host]) if sign_s > ran.start_s else None

    def look(self, now_s: float, evidence: Evidence) -> Judgement:
        """Judges the job, keeps what was told, and writes the events, which later looks read."""
        facts = self.facts(now_s, self.after_s(now_s))
        judged = judge(facts, evidence)
        self.score.passes += 1
        for event in judged.events:
            if event.event == names.EVENT_MISSED and event.due_ns is not None:
                self.told.setdefault(event.due_ns, now_s)
            elif event.event == names.EVENT_OVERRUN and event.uuid is not None:
                self.named[OVERRUN].setdefault(event.uuid, now_s)
            self.written.setdefault((event.event, event.at_ns, event.withdrawn), event)
        for finding in judged.findings:
            if finding.name == FAILING and finding.uuid is not None:
                self.named[FAILING].setdefault(finding.uuid, now_s)
            elif finding.name == SILENT:  # it names the first of all silent runs
                for each in Look(facts, evidence).silent:
                    self.named[SILENT].setdefault(each.run.uuid, now_s)
            self.was_unknown |= finding.name == UNKNOWN
        self._forget(now_s)
        return judged

    def _forget(self, now_s: float) -> None:
        """Leaves out events that no look reads any more."""
        border_ns = self.world.ns(now_s) - 2 * LOOK_NS
        if len(self.written) > _MOST_WRITTEN:
            self.written = {key: event for key, event in self.written.items() if event.at_ns > border_ns}

    def count(self) -> None:
        """Compares what was told with the truth."""
        job, world, score = self.job, self.world, self.score
        score.due += len(job.dues)
        score.unknown += self.was_unknown
        told = {str(due_ns): at_s for due_ns, at_s in self.told.items()}
        self._compare(MISSED, told, truth.absences(job, world), map(str, job.absent))
        self._compare(SILENT, self.named[SILENT], truth.silences(job, world), truth.may_be_silent(job))
        self._compare(OVERRUN, self.named[OVERRUN], truth.overruns(job, world), truth.may_overrun(job, world))
        failing, may_fail = self.named[FAILING], truth.may_fail(job, world)
        self._compare(FAILING, failing, {key: at_s for key, at_s in failing.items() if key in may_fail})

    def _compare(self, name: str, told: dict[str, float], true: dict[str, float], may: Iterable[str] = ()) -> None:
        """Counts one finding.

        Args:
            name: Its name.
            told: What was told, and when.
            true: What had to be told, and when it can be decided.
            may: What is right too.
        """
        tally, job = self.score.tallies[self.job.kind, name], self.job.expected.job
        title, right = f"{self.job.kind} {job.job} {job.stage}", true.keys() | set(may)
        tally.true += len(true)
        tally.false += [f"{title}: {name} {key} told at {at_s}" for key, at_s in told.items() if key not in right]
        for key, at_s in true.items():
            late_s = told.get(key, float("inf")) - self._next_look(at_s)
            if late_s <= _SOON * MINUTE:
                tally.delays.append(max(0, round(late_s / MINUTE)))
            else:
                tally.missed.append(f"{title}: {name} {key} by {at_s}, told at {told.get(key)}")

    def _next_look(self, at_s: float) -> float:
        """Returns when the checker looks next."""
        away = (*(outage.away for outage in self.world.outages if not outage.answers), *self.world.unwatched)
        for _ in range(3):
            pass_s = -(-at_s // MINUTE) * MINUTE
            at_s = max((each.until_s for each in away if pass_s in each), default=pass_s)
        return -(-at_s // MINUTE) * MINUTE


def _succeeded(ran: Ran, now_s: float) -> bool:
    return ran.end_arrives_s <= now_s and not ran.is_killed and ran.reason is None


def evidence_at(world: World, now_s: float) -> Evidence:
    """Returns what the store is known to hold: the words of the hosts, and the outages that a checker knows of."""
    words = {host: word for host in world.hosts if (word := world.word(host, now_s)) is not None}
    now_ns = world.ns(now_s)
    known = {
        host: Span(world.ns(-HOUR), words[host].at_ns) for host, skew_s in world.hosts.items() if skew_s >= AHEAD_S
    }
    ahead = hosts_ahead((), words, known, now_ns)
    return Evidence(now_ns=now_ns, senders=words, gaps=tuple(_gaps(world, now_s)), ahead=ahead)


def _gaps(world: World, now_s: float) -> Iterator[Span]:
    for outage in world.outages:
        if outage.away.from_s < now_s and now_s - outage.away.until_s < 5 * 86_400:
            if not outage.answers:
                yield Span(world.ns(outage.away.from_s - MINUTE), world.ns(min(now_s, outage.away.until_s + MINUTE)))
            last_word_s = outage.away.from_s // MINUTE * MINUTE
            next_word_s = -(-min(outage.back_s.values()) // MINUTE) * MINUTE
            if next_word_s <= now_s and next_word_s - last_word_s >= 2 * MINUTE:  # a pass saw that words were missing
                yield Span(world.ns(last_word_s), world.ns(min(now_s, next_word_s + MINUTE)))


def watched(job: Job, world: World, score: Score, *, looks_far: bool = False) -> None:
    """Judges one job through the whole simulation.

    Args:
        job: The job.
        world: Where it runs.
        score: Gets what was right and wrong.
        looks_far: Whether each look goes two days back, even if nothing so old can be new.
    """
    watch = Watch(job, world, score, looks_far=looks_far)
    for now_s in moments(job, world):
        watch.look(now_s, evidence_at(world, now_s))
    watch.count()
