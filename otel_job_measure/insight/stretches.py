"""What a timeline of one job shows: its runs, and the times at which a run is missing, also before the last check."""

from collections.abc import Iterator, Sequence

from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.check import Checked
from otel_job_measure.insight.due_times import Judged
from otel_job_measure.insight.facts import Facts
from otel_job_measure.insight.limits import ended_ns
from otel_job_measure.insight.matching import Settled, deadline_ns, started_ns
from otel_job_measure.insight.pictures.kinds import MISSED, SKIPPED, UNSURE, Kind, kind_of
from otel_job_measure.insight.pictures.timeline import Stretch
from otel_job_measure.insight.run_store import OpenRun
from otel_job_measure.insight.states import judge
from otel_job_measure.points.monitor import Event


def stretches(
    found: Checked, job: JobId, runs: Sequence[RunRecord], events: Sequence[Event], since_ns: int
) -> list[Stretch]:
    """Returns the runs of a job and its gaps.

    Args:
        found: The check, which knows what is expected.
        job: The job.
        runs: All its runs since a time.
        events: What is known of its due times: skips.
        since_ns: That time.
    """
    now_ns = found.at_ns
    shown = [Stretch(kind_of(run), started_ns(run), now_ns if run.ended_ns is None else ended_ns(run)) for run in runs]
    for expected in found.expected.get(job, ()):
        shown += _gaps(_judged(found, expected, runs, events, since_ns), now_ns)
    return shown


def _judged(
    found: Checked, expected: ExpectedJob, runs: Sequence[RunRecord], events: Sequence[Event], since_ns: int
) -> Judged:
    """Judges the due times of one host, or of all."""
    of_host = [run for run in runs if expected.host in {None, run.host}]
    facts = Facts(
        job=expected.job,
        expected=expected,
        runs=tuple(of_host),
        open_runs=tuple(OpenRun(run=run, alive_ns=None, interval_s=None) for run in of_host if run.status == RUNNING),
        events=tuple(events),
        after_ns=since_ns,
    )
    return judge(facts, found.evidence).due_times


def _gaps(judged: Judged, now_ns: int) -> Iterator[Stretch]:
    """Yields the due times without a run; those in a row are one gap, up to the next run."""
    absent, unknown = set(map(_at, judged.absent)), set(map(_at, judged.unknown))
    row: list[Settled] = []
    kind: Kind | None = None
    for each in judged.settled:
        now = MISSED if _at(each) in absent else UNSURE if _at(each) in unknown else SKIPPED if each.skipped else None
        if row and now is not kind:
            yield _gap(kind, row, each.due.at_ns if each.run is None else started_ns(each.run))
            row = []
        kind = now
        if kind is not None:
            row.append(each)
    if row:
        yield _gap(kind, row, now_ns)


def _gap(kind: Kind | None, row: Sequence[Settled], until_ns: int) -> Stretch:
    first_ns = row[0].due.at_ns
    end_ns = deadline_ns(row[-1].due) if kind is SKIPPED else max(until_ns, first_ns)
    return Stretch(kind or MISSED, first_ns, end_ns, len(row))


def _at(each: Settled) -> int:
    return each.due.at_ns


def since_of(runs: Sequence[RunRecord], most: int, since_ns: int) -> int:
    """Returns from when on all runs are known, if only the latest of a period are."""
    return since_ns if len(runs) < most else min(map(started_ns, runs))
