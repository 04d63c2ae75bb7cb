"""The truth about a simulated job: what has to be found of it, and when it can be decided."""

from bisect import bisect_left
from typing import Final

from benchmarks.simulation.jobs import Job, Ran, record_of
from benchmarks.simulation.world import DAY, HOUR, MINUTE, Away, World
from otel_job_measure import names
from otel_job_measure.expectations.dues import in_force
from otel_job_measure.insight.hosts import AHEAD_S
from otel_job_measure.insight.limits import votes
from otel_job_measure.insight.matching import deadline_ns

_DECIDED_S: Final = 120
"""The absence of a row is decided so long after its last moment."""
_SPOKEN_S: Final = 2 * MINUTE
"""A host that has sent all its rows says so with its next word, which a checker sees at its next pass."""


def absences(job: Job, world: World) -> dict[str, float]:
    """Returns the due times that are absent, and when each can be decided; not those of the last hour."""
    known = {due.at_ns: due for due in job.dues}
    starts = [ran.start_s for ran in job.runs]
    end_ns = world.ns(world.days * DAY - HOUR)
    found: dict[str, float] = {}
    for due_ns in job.absent:
        until_ns = deadline_ns(known[due_ns])
        if until_ns < end_ns:
            until_s = (until_ns - world.ns(0)) / 1e9
            near = bisect_left(starts, until_s)
            hosts = {ran.host for ran in job.runs[max(0, near - 15) : near + 1]} or {job.expected.host or ""}
            if not any(world.hosts.get(host, 0.0) >= AHEAD_S for host in hosts):  # else it is unknown
                found[str(due_ns)] = _decidable(world, until_s + _DECIDED_S)
    return found


def silences(job: Job, world: World) -> dict[str, float]:
    """Returns the runs that were killed and stayed open for long enough, and when their silence can be known."""
    return {ran.uuid: ran.sign_s + 180 for ran in job.runs if _is_silent(ran, world)}


def may_be_silent(job: Job) -> set[str]:
    """Returns the runs that were killed at all."""
    return {ran.uuid for ran in job.runs if ran.is_killed}


def overruns(job: Job, world: World) -> dict[str, float]:
    """Returns the runs that are known to have lived for too long, and when that can be known."""
    end_s = world.days * DAY - HOUR
    found: dict[str, float] = {}
    for ran in job.runs:
        most_s = _most_s(job, ran, world)
        if (ran.sign_s if ran.is_killed else ran.end_s) - ran.start_s > most_s and ran.end_s < end_s:
            found[ran.uuid] = max(_decidable(world, ran.start_s + most_s + _DECIDED_S), ran.end_arrives_s)
    return found


def may_overrun(job: Job, world: World) -> set[str]:
    """Returns the runs that lived for too long, and those of which nothing is known after their last sign of life."""
    return {ran.uuid for ran in job.runs if ran.is_killed or ran.end_s - ran.start_s > _most_s(job, ran, world)}


def may_fail(job: Job, world: World) -> set[str]:
    """Returns the runs at which enough failures in a row were there, computed one by one."""
    late_s = 2 * world.days * DAY
    records = [record for ran in job.runs if (record := record_of(job, ran, world, late_s))]
    least = min(version.expectation.failures or 1 for version in job.expected.versions)
    streak, found = 0, set[str]()
    for run in votes(records):
        streak = 0 if run.status == names.STATUS_END else streak + 1
        if streak >= least:
            found.add(run.uuid)
    return found


def _most_s(job: Job, ran: Ran, world: World) -> float:
    version = in_force(job.expected, world.ns(ran.start_s))
    return (job.limits if version is None else version.expectation).max_runtime_s or 0.0


def _is_silent(ran: Ran, world: World) -> bool:
    """Returns whether a run was killed and stayed open for long enough, with nothing away meanwhile."""
    if not ran.is_killed or ran.lost_s - ran.end_s < 10 * MINUTE:
        return False
    span = Away(ran.start_s - MINUTE, ran.sign_s + 15 * MINUTE)
    away = [Away(each.away.from_s, max(each.done_s.values())) for each in world.outages] + world.unwatched
    return not any(span.from_s < each.until_s and each.from_s < span.until_s for each in away)


def _decidable(world: World, at_s: float) -> float:
    """Returns when absence can be decided: after an outage, all hosts have to be complete and to say so."""
    for outage in world.outages:
        done_s = max(outage.done_s.values())
        if outage.away.from_s - _DECIDED_S - MINUTE <= at_s < done_s + _DECIDED_S:
            at_s = max(at_s, done_s + _SPOKEN_S)
    return at_s
