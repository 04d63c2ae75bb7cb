"""A checker that passes each minute over the simulated jobs, and what it got wrong."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.simulation.jobs import Job, Ran, record_of
from benchmarks.simulation.world import DAY, HOUR, MINUTE, Away, World
from otel_job_measure import names
from otel_job_measure.insight.absence import Evidence, Span
from otel_job_measure.insight.check import LOOK_NS
from otel_job_measure.insight.facts import Facts
from otel_job_measure.insight.findings import CLOCK, FAILING, HOST_SILENT, OVERRUN, SILENT, UNKNOWN
from otel_job_measure.insight.hosts import AHEAD_S, about_hosts, hosts_ahead
from otel_job_measure.insight.limits import votes
from otel_job_measure.insight.matching import deadline_ns
from otel_job_measure.insight.run_store import LastRuns, OpenRun
from otel_job_measure.insight.states import Judgement, judge

_RECENT: Final = 12
_USUAL: Final = 8
"""Of runs that end as they should, one in so many is looked at when its end arrives."""
_SOON_S: Final = 5 * MINUTE
"""A finding comes so long after it can be decided, at most."""


@dataclass(slots=True)
class Score:
    """What a checker got right and wrong.

    Args:
        passes: How often a job was judged.
        due: The due times.
        true: How many findings of each kind there were to make.
        found: How many of these were made.
        false: Findings that are wrong, with their jobs.
        missed: Findings that were not made, or too late.
        unknown: How many jobs were unknown in some outage.
    """

    passes: int = 0
    due: int = 0
    true: Counter[str] = field(default_factory=Counter[str])
    found: Counter[str] = field(default_factory=Counter[str])
    false: list[str] = field(default_factory=list[str])
    missed: list[str] = field(default_factory=list[str])
    unknown: int = 0


class Watch:
    """One job as a checker sees it."""

    def __init__(self, job: Job, world: World, score: Score) -> None:
        self.job = job
        self.world = world
        self.score = score
        self.starts = [ran.start_s for ran in job.runs]
        self.after_ns = world.ns(0)
        self.told: dict[int, float] = {}
        self.named: dict[str, dict[str, float]] = {SILENT: {}, OVERRUN: {}, FAILING: {}}
        self.was_unknown = False

    def facts(self, now_s: float) -> Facts:
        """Returns what the store has of the job, as far back as the checker needs."""
        world, job = self.world, self.job
        since_s = (self.after_ns - world.ns(0)) / 1e9 - HOUR - 300
        first = bisect_left(self.starts, since_s)
        last = bisect_right(self.starts, now_s)
        some = job.runs[max(0, min(first, last - _RECENT)) : last]
        records = [(ran, record) for ran in some if (record := record_of(job, ran, world, now_s)) is not None]
        before = job.runs[: max(0, min(first, last - _RECENT))]
        success = next((ran for ran in reversed(before[-200:]) if _succeeded(ran, now_s)), None)
        known = None if success is None else record_of(job, success, world, now_s)
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
            events=tuple(event for event in job.skipped[-500:] if self.after_ns < event.at_ns <= world.ns(now_s)),
            after_ns=self.after_ns,
        )

    def _alive_ns(self, ran: Ran, now_s: float) -> int | None:
        """Returns the last sign of life that has arrived: signs that find the server away are not sent again."""
        sign_s = ran.start_s + (min(now_s - 2, ran.end_s) - ran.start_s) // MINUTE * MINUTE
        while sign_s > ran.start_s and not self.world.is_heard(ran.host, sign_s):
            sign_s -= MINUTE
        return self.world.ns(sign_s + self.world.hosts[ran.host]) if sign_s > ran.start_s else None

    def passes(self) -> list[float]:
        """Returns the moments at which anything can change, each at the next whole minute."""
        world, moments = self.world, list[float]()
        skews = sorted(set(world.hosts.values()))
        for place, due in enumerate(self.job.dues):
            at_s, until_s = (due.at_ns - world.ns(0)) / 1e9, (deadline_ns(due) - world.ns(0)) / 1e9
            if due.at_ns in self.job.absent or place % 20 == 0:
                moments.append(until_s + 240)
                moments += (at_s + 1, at_s + 60, until_s, until_s + 60, until_s + 121, until_s + 180)
                moments += (until_s + 120 + skew_s for skew_s in skews)
        for place, ran in enumerate(self.job.runs):
            if ran.reason is not None or ran.is_killed or place % _USUAL == 0:
                moments.append(ran.end_arrives_s)
            if ran.is_killed or ran.end_s - ran.start_s > 120:
                moments += (ran.start_s + each * MINUTE for each in range(1, 30))
                moments += (ran.end_s + each * MINUTE for each in range(1, 9))
        for away in (*(outage.away for outage in world.outages), *world.unwatched):
            moments += (away.from_s + each * MINUTE for each in (*range(1, 12), 60, 90, 200, 1000))
            moments += (away.until_s + each * MINUTE for each in range(25))
        end_s = world.days * 86_400.0
        minutes = {-(-moment // MINUTE) * MINUTE for moment in moments if 0 < moment < end_s}
        return sorted(at_s for at_s in minutes if world.answers(at_s) and world.is_watched(at_s))

    def look(self, now_s: float, evidence: Evidence) -> Judgement:
        """Judges the job, and keeps what was told."""
        judged = judge(self.facts(now_s), evidence)
        self.score.passes += 1
        for event in judged.events:
            if event.event == names.EVENT_MISSED and event.due_ns is not None:
                self.told.setdefault(event.due_ns, now_s)
            elif event.event == names.EVENT_OVERRUN and event.uuid is not None:
                self.named[OVERRUN].setdefault(event.uuid, now_s)
        for finding in judged.findings:
            if finding.name in {SILENT, FAILING} and finding.uuid is not None:
                self.named[finding.name].setdefault(finding.uuid, now_s)
            self.was_unknown |= finding.name == UNKNOWN
        settled = judged.due_times.settled
        undecided = [each.due.at_ns for each in (*judged.due_times.waiting, *judged.due_times.unknown)]
        border = min(undecided, default=settled[-1].due.at_ns if settled else self.after_ns + 1)
        decided = [each.due.at_ns for each in settled if each.due.at_ns < border]
        # As the command does, at most two days back: what a host with a wrong clock missed stays unknown for ever.
        latest_ns = self.world.ns(now_s) - LOOK_NS
        self.after_ns = max(self.after_ns, latest_ns, (decided[-1] if decided else border) - 1)
        return judged

    def count(self) -> None:
        """Compares what was told with the truth."""
        end_ns = self.world.ns(self.world.days * 86_400 - HOUR)
        job, score = self.job, self.score
        title = f"{job.kind} {job.expected.job.job} {job.expected.job.stage}"
        score.due += len(job.dues)
        score.unknown += self.was_unknown
        self._compare(
            "missed",
            {str(due_ns): at_s for due_ns, at_s in self.told.items()},
            self._absences(end_ns),
            title,
            may=map(str, job.absent),  # in the last hour too
        )
        killed = {ran.uuid: _decidable(self.world, ran.sign_s + 240) for ran in job.runs if self._is_silent(ran)}
        self._compare("silent", self.named[SILENT], killed, title, may={ran.uuid for ran in job.runs if ran.is_killed})
        most_s = job.limits.max_runtime_s or 0.0
        over = {ran.uuid: ran.start_s + most_s for ran in job.runs if _lived_s(ran) > most_s}
        over = {
            ran.uuid: _decidable(self.world, over[ran.uuid] + 120, ran.end_arrives_s)
            for ran in job.runs
            if ran.uuid in over and ran.end_s < self.world.days * 86_400 - HOUR
        }
        may = {ran.uuid for ran in job.runs if ran.end_s - ran.start_s > most_s or ran.is_killed}
        self._compare("overrun", self.named[OVERRUN], over, title, may=may)
        self._compare("failing", self.named[FAILING], {}, title, may=self._may_fail())

    def _absences(self, end_ns: int) -> dict[str, float]:
        """Returns the due times that are absent, and when each can be decided."""
        known = {due.at_ns: due for due in self.job.dues}
        found: dict[str, float] = {}
        for due_ns in self.job.absent:
            until_ns = deadline_ns(known[due_ns])
            if until_ns < end_ns:
                until_s = (until_ns - self.world.ns(0)) / 1e9
                near = bisect_left(self.starts, until_s)
                hosts = {ran.host for ran in self.job.runs[max(0, near - 15) : near + 1]} or {
                    self.job.expected.host or ""
                }
                if not any(self.world.hosts.get(host, 0.0) >= AHEAD_S for host in hosts):  # else it is unknown
                    found[str(due_ns)] = _decidable(self.world, until_s + 120)
        return found

    def _is_silent(self, ran: Ran) -> bool:
        """Returns whether a run was killed and stayed open for long enough, with nothing away meanwhile."""
        if not ran.is_killed or ran.lost_s - ran.end_s < 10 * MINUTE:
            return False
        span = Away(ran.start_s - MINUTE, ran.sign_s + 15 * MINUTE)
        away = [Away(each.away.from_s, max(each.done_s.values())) for each in self.world.outages] + self.world.unwatched
        return not any(span.from_s < each.until_s and each.from_s < span.until_s for each in away)

    def _may_fail(self) -> set[str]:
        """Returns the runs at which enough failures in a row were there, computed one by one."""
        end_s = self.world.days * 86_400.0
        records = [record for ran in self.job.runs if (record := record_of(self.job, ran, self.world, 2 * end_s))]
        least = min(version.expectation.failures or 1 for version in self.job.expected.versions)
        streak, found = 0, set[str]()
        for run in votes(records):
            streak = 0 if run.status == names.STATUS_END else streak + 1
            if streak >= least:
                found.add(run.uuid)
        return found

    def _compare(
        self, what: str, told: dict[str, float], true: dict[str, float], title: str, may: Iterable[str] = ()
    ) -> None:
        self.score.true[what] += len(true) if what != "failing" else len(told)
        right = true.keys() | set(may)
        self.score.false += [f"{title}: {what} {key} told at {at_s}" for key, at_s in told.items() if key not in right]
        for key, at_s in true.items():
            if told.get(key, float("inf")) <= self._next_look(at_s) + _SOON_S:
                self.score.found[what] += 1
            else:
                self.score.missed.append(f"{title}: {what} {key} by {at_s}, told at {told.get(key)}")
        if what == "failing":
            self.score.found[what] += sum(key in right for key in told)

    def _next_look(self, at_s: float) -> float:
        """Returns when the checker looks next."""
        away = (*(outage.away for outage in self.world.outages if not outage.answers), *self.world.unwatched)
        for _ in range(3):
            at_s = max((each.until_s for each in away if at_s in each), default=at_s)
        return at_s


def _succeeded(ran: Ran, now_s: float) -> bool:
    return ran.end_arrives_s <= now_s and not ran.is_killed and ran.reason is None


def _lived_s(ran: Ran) -> float:
    """Returns how long a run is known to have lived."""
    return (ran.sign_s if ran.is_killed else ran.end_s) - ran.start_s


def _decidable(world: World, at_s: float, known_s: float = 0.0) -> float:
    """Returns when absence can be decided: after an outage, all hosts of the job have to be complete."""
    for outage in world.outages:
        if outage.away.from_s - 10 * MINUTE <= at_s < max(outage.done_s.values()) + 10 * MINUTE:
            at_s = max(at_s, max(outage.done_s.values()) + 12 * MINUTE)
    return max(at_s, known_s)


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
        first_back_s = min(outage.back_s.values())
        if outage.away.from_s < now_s and now_s - outage.away.until_s < 5 * 86_400:
            if not outage.answers:
                yield Span(world.ns(outage.away.from_s - MINUTE), world.ns(min(now_s, outage.away.until_s + MINUTE)))
            if first_back_s <= now_s and first_back_s - outage.away.from_s > 3 * MINUTE:
                yield Span(world.ns(outage.away.from_s - MINUTE), world.ns(first_back_s))


def watched(job: Job, world: World, score: Score) -> None:
    """Judges one job through the whole simulation."""
    watch = Watch(job, world, score)
    for now_s in watch.passes():
        watch.look(now_s, evidence_at(world, now_s))
    watch.count()


def hosts_watched(jobs: Sequence[Job], world: World, score: Score) -> None:
    """Judges all jobs together around the times at which something is away, and once a day."""
    away = [each for deaths in world.dead.values() for each in deaths]
    moments = {float(day) * DAY + HOUR for day in range(2, world.days, 3)}
    moments |= {each.from_s + minutes * MINUTE for each in away for minutes in (1, 2, 5, 12)}
    moments |= {each.until_s + minutes * MINUTE for each in away for minutes in (1, 2, 5, 12)}
    moments |= {each.away.from_s + minutes * MINUTE for each in world.outages for minutes in (5, 50, 70, 200)}
    moments |= {each.away.until_s + minutes * MINUTE for each in world.outages for minutes in (1, 3, 20)}
    watches = [Watch(job, world, Score()) for job in jobs]
    for now_s in sorted(moments):
        if world.answers(now_s) and world.is_watched(now_s) and now_s < world.days * DAY:
            _all_at(jobs, watches, world, score, now_s)


def _all_at(jobs: Sequence[Job], watches: Sequence[Watch], world: World, score: Score, now_s: float) -> None:
    """Compares what is found of hosts and of the store with the truth."""
    evidence = evidence_at(world, now_s)
    for watch in watches:
        watch.after_ns = world.ns(now_s - DAY)
    judgements = [judge(watch.facts(now_s), evidence) for watch in watches]
    found = about_hosts(judgements, evidence)
    outage = next((each for each in world.outages if now_s in Away(each.away.from_s, max(each.done_s.values()))), None)
    hosts = {job.expected.host for job in jobs if job.expected.host is not None}
    may = {
        host
        for host in hosts
        if any(now_s in Away(each.from_s, _comes_s(jobs, host, each.until_s)) for each in world.dead[host])
    }
    must = {host for host in hosts if any(now_s in Away(each.from_s + 270, each.until_s) for each in world.dead[host])}
    told = {about.host for about in found if about.finding.name == HOST_SILENT}
    _count(score, f"{HOST_SILENT} at {now_s}", told, must, may)
    ahead = {host for host, skew_s in world.hosts.items() if skew_s >= AHEAD_S}
    told = {about.host for about in found if about.finding.name == CLOCK}
    _count(score, f"{CLOCK} at {now_s}", told, set() if outage else ahead, ahead)
    store = [about for about in found if about.finding.name == UNKNOWN]
    is_long = (
        outage is not None and outage.answers and now_s in Away(outage.away.from_s + 3 * HOUR, outage.away.until_s)
    )
    known = {None} if is_long else set[str | None]()
    may_store = {None, *world.hosts} if outage is not None and now_s > outage.away.from_s + HOUR else set[str | None]()
    _count(score, f"nothing known at {now_s}", {about.host for about in store}, known, may_store)


def _comes_s(jobs: Iterable[Job], host: str, until_s: float) -> float:
    """Returns when the first run of a host's own jobs has come after it is back."""
    starts = (
        ran.start_arrives_s
        for job in jobs
        if job.expected.host == host
        for ran in job.runs[bisect_left(job.runs, until_s, key=lambda ran: ran.start_s) :][:1]
    )
    return min(starts, default=until_s) + MINUTE


def _count(
    score: Score, what: str, told: set[str | None], must: Iterable[str | None], may: Iterable[str | None]
) -> None:
    must, kind = set(must), what.partition(" at ")[0]
    score.true[kind] += len(must)
    score.found[kind] += len(must & told)
    score.false += [f"{what}: {host}" for host in told - must - set(may)]
    score.missed += [f"{what}: {host}" for host in must - told]
