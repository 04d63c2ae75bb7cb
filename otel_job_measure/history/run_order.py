"""When a run counts, and the order of runs: one rule for all questions and stores."""

from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.mark import Mark


def started_ns(run: AnyRun | Mark) -> int:
    """Returns when a run started; one whose start is unknown counts from its end."""
    return (run.ended_ns or 0) if run.started_ns is None else run.started_ns


def oldest(run: AnyRun | Mark) -> tuple[int, str]:
    """Orders runs, the oldest first.

    Each order that begins with the newest is the reverse of this one. So of runs that began together, each question to
    each store takes the same one for the last.
    """
    return started_ns(run), run.uuid
