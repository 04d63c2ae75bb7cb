"""One of the latest runs of a job, with what a strip of them shows: a list of 10,000 jobs has 300,000 of them."""

from typing import NamedTuple

from otel_job_measure.history.run_record import RunRecord


class Mark(NamedTuple):
    """A run, in short; None means unknown. The names are those of `RunRecord` and of the columns of `runs`."""

    uuid: str
    started_ns: int | None
    ended_ns: int | None
    status: str
    reason: str | None
    duration_s: float | None


def mark_of(run: RunRecord) -> Mark:
    """Returns the mark of a run."""
    return Mark(run.uuid, run.started_ns, run.ended_ns, run.status, run.reason, run.duration_s)
