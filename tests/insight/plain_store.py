"""A store in memory that answers each question in the plainest way; other stores are compared with it."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from otel_job_measure import names
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.history.checked_run import CheckedRun, latest_of
from otel_job_measure.history.mark import Mark, mark_of
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.quantiles import nearest_rank
from otel_job_measure.insight.run_store import FailureCount, LastRuns, OpenRun, Summary, Wanted
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.points.monitor import Event, Sender, State


class PlainStore:
    """Keeps the runs of some lines in a list; it has no rows of the monitor."""

    label = "a list"

    def __init__(self, data: bytes, now_ns: int) -> None:
        self._runs = RunRecord.from_points(parse(line) for line in data.splitlines())
        self._now_ns = now_ns

    def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
        return self._newest(wanted)[:limit]

    def recent(self, wanted: Wanted, per_job: int) -> dict[JobId, list[Mark]]:
        found = _by_job(self._newest(wanted))
        return {job: [*map(mark_of, found[job][:per_job])] for job in sorted(found) if per_job > 0}

    def checked_runs(self, wanted: Wanted, most: Callable[[JobId], int]) -> dict[JobId, list[CheckedRun]]:
        return latest_of(self.starts(wanted), most)

    def count(self, wanted: Wanted) -> int:
        return len(self._newest(wanted))

    def find(self, uuid_prefix: str, limit: int = 10) -> list[RunRecord]:
        return [run for run in self._newest(Wanted()) if run.uuid.startswith(uuid_prefix)][:limit]

    def summaries(self, wanted: Wanted) -> list[Summary]:
        return [_summary(job, runs) for job, runs in sorted(_by_job(self._newest(wanted)).items())]

    def open_runs(self, wanted: Wanted) -> list[OpenRun]:
        found = [run for run in self._newest(wanted) if run.status == RUNNING]
        return [OpenRun(run=run, alive_ns=None, interval_s=None) for run in sorted(found, key=in_order)]

    def last_runs(self, wanted: Wanted) -> list[LastRuns]:
        chosen = wanted.of_jobs()
        return [self._last(job, runs) for job, runs in sorted(_by_job(self._newest(chosen)).items())]

    def keeps_s(self) -> float | None:
        return None

    def failures(self, wanted: Wanted) -> list[FailureCount]:
        ends: dict[tuple[JobId, str | None, str | None], list[int]] = defaultdict(list)
        for run in self._newest(wanted):
            if run.status == names.STATUS_FAILED:
                ends[run.job_id, run.reason, run.error_type].append(run.ended_ns or 0)
        counted = [
            FailureCount(job=job, reason=reason, error_type=kind, count=len(found), last_ns=max(found))
            for (job, reason, kind), found in ends.items()
        ]
        return sorted(counted, key=lambda each: (-each.count, each.job, each.reason or "", each.error_type or ""))

    def attempts(self, task_id: str) -> list[RunRecord]:
        found = [run for run in self._runs if run.task_id == task_id]
        return sorted(found, key=lambda run: (run.attempt or 0, *in_order(run)))

    def starts(self, wanted: Wanted) -> Iterator[RunRecord]:
        yield from sorted(self._newest(wanted), key=in_order)

    def events(self, since_ns: int, until_ns: int | None = None) -> list[Event]:
        del since_ns, until_ns
        return []

    def states(self) -> list[State]:
        return []

    def senders(self, since_ns: int) -> list[Sender]:
        del since_ns
        return []

    def expectations(self) -> Sequence[ExpectedJob]:
        return ()

    def _newest(self, wanted: Wanted) -> list[RunRecord]:
        found = [run for run in self._runs if _is_wanted(run, wanted)]
        return sorted(found, key=in_order, reverse=True)

    def _last(self, job: JobId, newest: Sequence[RunRecord]) -> LastRuns:
        past = [run for run in newest if at_ns(run) <= self._now_ns]
        runs = [*past, *newest]
        ended = [run for run in runs if run.status == names.STATUS_END]
        return LastRuns(job=job, run=runs[0], success=ended[0] if ended else None)


def at_ns(run: RunRecord) -> int:
    """Returns when a run counts: from its start, or from its end if the start is unknown."""
    found = run.ended_ns if run.started_ns is None else run.started_ns
    assert found is not None
    return found


def in_order(run: RunRecord) -> tuple[int, str]:
    """Orders runs by their starts."""
    return at_ns(run), run.uuid


def _is_wanted(run: RunRecord, wanted: Wanted) -> bool:
    return (
        (wanted.job is None or (run.job == wanted.job if wanted.exact else _matches(wanted.job, run.job)))
        and wanted.project in {None, run.project or ""}
        and wanted.stage in {None, run.stage or ""}
        and wanted.host in {None, run.host}
        and (not wanted.words or not {run.status, run.reason}.isdisjoint(wanted.words))
        and (wanted.since_ns is None or at_ns(run) >= wanted.since_ns)
        and (wanted.until_ns is None or at_ns(run) < wanted.until_ns)
    )


def _matches(pattern: str, name: str) -> bool:
    words = (".*" if word == "*" else "." if word == "?" else re.escape(word) for word in pattern)
    return re.fullmatch("".join(words), name, re.DOTALL) is not None


def _by_job(runs: Iterable[RunRecord]) -> dict[JobId, list[RunRecord]]:
    found: dict[JobId, list[RunRecord]] = defaultdict(list)
    for run in runs:
        found[run.job_id].append(run)
    return found


def _summary(job: JobId, runs: Sequence[RunRecord]) -> Summary:
    ended = [run for run in runs if run.status == names.STATUS_END]
    failed = [run for run in runs if run.status == names.STATUS_FAILED]
    votes = [*ended, *(run for run in failed if run.reason not in names.UNCOUNTED_REASONS)]
    durations = sorted(run.duration_s for run in runs if run.duration_s is not None)
    return Summary(
        job=job,
        runs=len(runs),
        ended=len(ended),
        failed=len(failed),
        running=len(runs) - len(ended) - len(failed),
        success=len(ended) / len(votes) if votes else None,
        p50_s=nearest_rank(durations, 50),
        p95_s=nearest_rank(durations, 95),
        longest_s=max(durations, default=None),
        last_started_ns=max((run.started_ns for run in runs if run.started_ns is not None), default=None),
    )
