"""Which targets are told of which job."""

from collections.abc import Sequence
from dataclasses import dataclass

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.expectations.patterns import is_match
from otel_job_measure.insight.notify.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A target, and the jobs that it is told of.

    Args:
        target: The target.
        jobs: Names or patterns; empty for all.
        project: Only of this project; None for all.
        stage: Only of this stage; None for all.
    """

    target: Target
    jobs: tuple[str, ...] = ()
    project: str | None = None
    stage: str | None = None

    @property
    def rank(self) -> int:
        """2 for a target that names jobs, 1 for one that names a project or a stage, 0 for one that is told of all."""
        return 2 if self.jobs else int(self.project is not None or self.stage is not None)

    def wants(self, job: JobId) -> bool:
        """Returns whether it is told of a job."""
        is_named = not self.jobs or any(is_match(pattern, job.job) for pattern in self.jobs)
        return is_named and self.project in {None, job.project} and self.stage in {None, job.stage}


class Routes:
    """All routes. Of a job, only the targets of the highest rank are told: those that say most exactly what they want.

    Args:
        routes: The routes.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes

    @property
    def targets(self) -> list[Target]:
        """Each target once."""
        return _targets(self._routes)

    def of(self, job: JobId) -> list[Target]:
        """Returns the targets of a job. A job without a name stands for a host or the store, which concern all jobs."""
        if not job.job:
            return _targets([route for route in self._routes if route.rank == 0] or self._routes)
        wanting = [route for route in self._routes if route.wants(job)]
        highest = max((route.rank for route in wanting), default=0)
        return _targets([route for route in wanting if route.rank == highest])


def _targets(routes: Sequence[Route]) -> list[Target]:
    return list({route.target.id: route.target for route in routes}.values())
