"""The moments at which a checker looks at a simulated job: those at which anything can change."""

from collections.abc import Iterator
from typing import Final

from benchmarks.simulation.jobs import Job, Ran
from benchmarks.simulation.world import DAY, MINUTE, World
from otel_job_measure.insight.matching import deadline_ns

_USUAL: Final = 8
"""Of runs that end as they should, one in so many is looked at when its end arrives."""
_IN_TIME: Final = 20
"""Of due times for which a run comes, one in so many is looked at; of a job that is due each few minutes, fewer."""
_OFTEN_S: Final = 1800.0
_FEWER: Final = 5
_LONG_S: Final = 120.0
_WHOLE: Final = 5
"""Of runs that take minutes and end well, one in so many is looked at each minute."""
_AROUND: Final = (*range(1, 12), 60, 90, 200, 1000)


def moments(job: Job, world: World) -> list[float]:
    """Returns the moments, each at a whole minute at which the checker looks and the store answers.

    Args:
        job: A job with its runs.
        world: Where it runs.
    """
    found = [*_of_dues(job, world), *_of_runs(job)]
    for away in (*(outage.away for outage in world.outages), *world.unwatched):
        found += (away.from_s + each * MINUTE for each in _AROUND)
        found += (away.until_s + each * MINUTE for each in range(25))
    minutes = {-(-moment // MINUTE) * MINUTE for moment in found if 0 < moment < world.days * DAY}
    return sorted(at_s for at_s in minutes if world.answers(at_s) and world.is_watched(at_s))


def _of_dues(job: Job, world: World) -> Iterator[float]:
    skews = sorted(set(world.hosts.values()))
    usual = _IN_TIME * (_FEWER if _is_often(job) else 1)
    for place, due in enumerate(job.dues):
        at_s, until_s = (due.at_ns - world.ns(0)) / 1e9, (deadline_ns(due) - world.ns(0)) / 1e9
        if due.at_ns in job.absent or place % usual == 0:
            yield from (at_s + 1, at_s + 60, until_s, until_s + 60, until_s + 121, until_s + 180, until_s + 240)
            yield from (until_s + 120 + skew_s for skew_s in skews)


def _of_runs(job: Job) -> Iterator[float]:
    long, usual = 0, _USUAL * (_FEWER if _is_often(job) else 1)
    for place, ran in enumerate(job.runs):
        took_s = ran.end_s - ran.start_s
        if ran.reason is not None or ran.is_killed or took_s > _LONG_S or place % usual == 0:
            yield ran.end_arrives_s
        long += took_s > _LONG_S
        most_s = job.limits.max_runtime_s
        if ran.is_killed or (most_s is not None and took_s > most_s) or (took_s > _LONG_S and long % _WHOLE == 0):
            yield from _each_minute(ran)


def _each_minute(ran: Ran) -> Iterator[float]:
    yield from (ran.start_s + each * MINUTE for each in range(1, 30))
    yield from (ran.end_s + each * MINUTE for each in range(1, 9))


def _is_often(job: Job) -> bool:
    return bool(job.dues) and job.dues[0].gap_s < _OFTEN_S
