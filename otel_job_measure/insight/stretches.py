"""What a timeline of one job shows: its runs, and the times at which a run is missing, also before the last check."""

from bisect import bisect_left
from collections.abc import Sequence

from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.check import Checked
from otel_job_measure.insight.due_times import Judged
from otel_job_measure.insight.facts import Facts
from otel_job_measure.insight.limits import ended_ns
from otel_job_measure.insight.matching import Settled, deadline_ns
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
        of_host = [run for run in runs if expected.host in {None, run.host}]
        starts = sorted(map(started_ns, of_host))
        shown += _gaps(_judged(found, expected, of_host, events, since_ns), starts, now_ns)
    return shown


def _judged(
    found: Checked, expected: ExpectedJob, runs: Sequence[RunRecord], events: Sequence[Event], since_ns: int
) -> Judged:
    """Judges the due times of one host, or of all."""
    facts = Facts(
        job=expected.job,
        expected=expected,
        runs=tuple(runs),
        open_runs=tuple(OpenRun(run=run, alive_ns=None, interval_s=None) for run in runs if run.status == RUNNING),
        events=tuple(events),
        after_ns=since_ns,
    )
    return judge(facts, found.evidence).due_times


def _gaps(judged: Judged, starts: Sequence[int], now_ns: int) -> list[Stretch]:
    """Returns a gap for each due time without a run, up to the next start; gaps that meet are one."""
    kinds = {_at(each): MISSED for each in judged.absent} | {_at(each): UNSURE for each in judged.unknown}
    found: list[Stretch] = []
    for each in judged.settled:
        from_ns = _at(each)
        kind = SKIPPED if each.skipped else kinds.get(from_ns)
        if kind is None:
            continue
        dues = 1
        if found and found[-1].kind is kind and found[-1].until_ns >= from_ns:
            last = found.pop()
            from_ns, dues = last.from_ns, last.dues + 1
        found.append(Stretch(kind, from_ns, _until_ns(each, kind, starts, now_ns), dues))
    return found


def _until_ns(each: Settled, kind: Kind, starts: Sequence[int], now_ns: int) -> int:
    """Returns until when the run of a due time was missing."""
    if kind is SKIPPED:
        return deadline_ns(each.due)
    place = bisect_left(starts, _at(each))
    next_ns = starts[place] if place < len(starts) else now_ns
    return max(_at(each), min(next_ns, now_ns))


def _at(each: Settled) -> int:
    return each.due.at_ns


def since_of(runs: Sequence[RunRecord], most: int, since_ns: int) -> int:
    """Returns from when on all runs are known, if only the latest of a period are."""
    return since_ns if len(runs) < most else min(map(started_ns, runs))
