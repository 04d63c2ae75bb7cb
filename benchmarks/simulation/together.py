"""All simulated jobs together: what is found of hosts and of the store."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from benchmarks.simulation.jobs import Job
from benchmarks.simulation.score import Score, Tally
from benchmarks.simulation.watch import Watch, evidence_at
from benchmarks.simulation.world import DAY, HOUR, MINUTE, Away, World
from otel_job_measure.insight.findings import CLOCK, HOST_SILENT, UNKNOWN
from otel_job_measure.insight.hosts import AHEAD_S, about_hosts
from otel_job_measure.insight.states import judge


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
    judgements = [judge(watch.facts(now_s, now_s - DAY), evidence) for watch in watches]
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
    _count(score.tallies["a host", HOST_SILENT], f"{HOST_SILENT} at {now_s}", told=told, must=must, may=may)
    ahead = {host for host, skew_s in world.hosts.items() if skew_s >= AHEAD_S}
    told = {about.host for about in found if about.finding.name == CLOCK}
    _count(score.tallies["a host", CLOCK], f"{CLOCK} at {now_s}", told=told, must=set() if outage else ahead, may=ahead)
    store = [about for about in found if about.finding.name == UNKNOWN]
    is_long = (
        outage is not None and outage.answers and now_s in Away(outage.away.from_s + 3 * HOUR, outage.away.until_s)
    )
    known = {None} if is_long else set[str | None]()
    may_store = {None, *world.hosts} if outage is not None and now_s > outage.away.from_s + HOUR else set[str | None]()
    told = {about.host for about in store}
    _count(score.tallies["the store", UNKNOWN], f"nothing known at {now_s}", told=told, must=known, may=may_store)


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
    tally: Tally,
    what: str,
    *,
    told: set[str | None],
    must: Iterable[str | None],
    may: Iterable[str | None],
) -> None:
    must = set(must)
    tally.true += len(must)
    tally.delays += [0] * len(must & told)
    tally.false += [f"{what}: {host}" for host in told - must - set(may)]
    tally.missed += [f"{what}: {host}" for host in must - told]
