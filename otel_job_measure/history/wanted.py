"""Which runs a question is about."""

from dataclasses import dataclass
from typing import Final

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RUNNING

WORDS: Final = (RUNNING, names.STATUS_END, names.STATUS_FAILED, *names.REASONS)
"""What runs can be filtered by: a status or a reason."""
_WILD: Final = frozenset("*?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs are asked for; None and an empty tuple mean all.

    Args:
        job: The job's name, or a pattern with `*` and `?`.
        project: The project; the empty string means runs without one.
        stage: The stage; the empty string means runs without one.
        host: The host.
        words: Statuses and reasons, of `WORDS`; a run has one of them.
        since_ns: The earliest start; a run whose start is unknown counts from its end.
        until_ns: Only starts before this time.
        exact: Whether `job` is a name and no pattern, although it may have `*` and `?`.
    """

    job: str | None = None
    project: str | None = None
    stage: str | None = None
    host: str | None = None
    words: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    exact: bool = False

    @classmethod
    def of_job(
        cls,
        job: JobId,
        *,
        host: str | None = None,
        words: tuple[str, ...] = (),
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> "Wanted":
        """Returns what means the runs of one job, whatever its name."""
        return cls(
            job=job.job,
            project=job.project,
            stage=job.stage,
            host=host,
            words=words,
            since_ns=since_ns,
            until_ns=until_ns,
            exact=True,
        )

    @property
    def pattern(self) -> str | None:
        """The pattern of the job's name; None if it is a plain name, or any."""
        has_wild = self.job is not None and not self.exact and not _WILD.isdisjoint(self.job)
        return self.job if has_wild else None

    def of_jobs(self) -> "Wanted":
        """Returns which jobs are meant, whatever the runs."""
        return Wanted(job=self.job, project=self.project, stage=self.stage, exact=self.exact)


ALL = Wanted()
