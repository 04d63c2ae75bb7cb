"""The local history as a store of runs."""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.expectations.precedence import joined
from otel_job_measure.history import counting, monitor_tables, questions, walks
from otel_job_measure.history.checked_run import CheckedRun
from otel_job_measure.history.history import Behind, History
from otel_job_measure.history.jobs import jobs_of
from otel_job_measure.history.last_runs import FIRST, page_after
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.parts import BY_JOB
from otel_job_measure.history.recent import Most, Recent, merged, of_jobs, on_page
from otel_job_measure.history.run_order import oldest, started_ns
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.history.short_runs import Run
from otel_job_measure.insight.expected_texts import decoded
from otel_job_measure.insight.run_store import ALL, FailureCount, LastRuns, OpenRun, Summary, Wanted
from otel_job_measure.insight.tally import Tally, added
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.points.monitor import Event, Sender, State
from otel_job_measure.rate_limited_log import RateLimitedLog
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    import sqlite3

_T = TypeVar("_T")
_AT_ONCE: Final = 1000
_JOBS_AT_ONCE: Final = 500
_LONG_NS: Final = 300_000_000
"""After so long, a transaction reads no further job."""
_limited_log: Final = RateLimitedLog(logging.getLogger(names.LOGGER), SystemClock())


def opened(settings: Settings) -> "tuple[HistoryStore, Behind]":
    """Returns the history of a state directory as a store, brought up to date, and what is not in it yet.

    Raises:
        StateDirError: The state directory cannot be used.
        HistoryError: The history is turned off, or cannot be used.
    """
    history, behind = up_to_date(settings)
    return HistoryStore(history, SystemClock(), ExpectedStore(settings.state_path)), behind


class HistoryStore:
    """Answers from the history of a state directory; each answer is one short transaction.

    Args:
        history: The history.
        clock: The time.
        expected: What the state directory says should happen.
    """

    def __init__(self, history: History, clock: Clock, expected: ExpectedStore | None = None) -> None:
        self._history = history
        self._clock = clock
        self._expected = expected

    @property
    def label(self) -> str:
        """What people read: where the answers come from."""
        return f"the history {self._history.path}"

    @property
    def lost(self) -> str:
        """What people read if the runs of a damaged file are missing here; empty if there is none."""
        files = self._history.set_aside
        return (
            f"the history was damaged; the runs of before are in {files[-1]}; delete it if you do not need them"
            if files
            else ""
        )

    def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
        """Returns the latest runs, the newest first."""
        return self._ask(functools.partial(questions.latest, wanted=wanted, limit=limit)) or []

    def recent(self, wanted: Wanted, per_job: int) -> dict[JobId, list[Mark]]:
        """Returns the latest runs of each job, at most so many of each, the newest first, in the order of the jobs."""
        return self._recent(Mark, wanted, lambda _: per_job) if per_job > 0 else {}

    def checked_runs(self, wanted: Wanted, most: Callable[[JobId], int]) -> dict[JobId, list[CheckedRun]]:
        """Returns the latest runs of each job as a check looks at them, the oldest first, in the order of the jobs."""
        found = self._recent(CheckedRun, wanted, most)
        return {job: runs[::-1] for job, runs in found.items()}

    def _recent(self, kind: type[Run], wanted: Wanted, most: Most) -> Recent[Run]:
        found: Recent[Run] = {}
        by_index = wanted.host is None and not wanted.words
        ways, jobs = self._ask(functools.partial(walks.walks, wanted=wanted)) or ([], {})
        left = list(jobs.items()) if by_index else []
        while left:
            next_jobs = functools.partial(of_jobs, kind=kind, wanted=wanted, most=most, jobs=left[:_JOBS_AT_ONCE])
            done, some = self._ask(next_jobs) or (len(left), {})
            found |= some
            del left[:done]
        page = functools.partial(on_page, kind=kind, most=most)
        for others in self._along(
            (way._replace(share=4) for way in ways if not (by_index and way.source == BY_JOB)), page
        ):
            found = merged(found, others, most)
        return {job: found[job] for job in sorted(found) if found[job]}

    def count(self, wanted: Wanted) -> int:
        """Returns how many runs there are."""
        return self._ask(functools.partial(questions.count, wanted=wanted)) or 0

    def find(self, uuid_prefix: str, limit: int = 10) -> list[RunRecord]:
        """Returns the runs whose uuid begins so, the newest first."""
        found = self._along([walks.EVERYWHERE], functools.partial(questions.find, prefix=uuid_prefix, limit=limit))
        return sorted(found, key=oldest, reverse=True)[:limit]

    def summaries(self, wanted: Wanted) -> list[Summary]:
        """Returns a summary of each job, in the order of the jobs."""
        tallies: dict[JobId, Tally] = {}
        for each, job in self._counted(counting.Summing(), wanted):
            tally = tallies.setdefault(job, Tally())
            tally.runs += each.runs
            tally.ended += each.ended
            tally.running += each.running
            tally.votes += each.votes
            tally.take(each.durations)
            tally.started(each.last_ns)
        return [tallies[job].summary(job) for job in sorted(tallies)]

    def open_runs(self, wanted: Wanted) -> list[OpenRun]:
        """Returns the runs that have not ended, the oldest first."""
        return self._ask(lambda connection: _open_runs(connection, wanted)) or []

    def keeps_s(self) -> float:
        """Returns how long runs are kept."""
        return self._history.retention_s

    def last_runs(self, wanted: Wanted) -> list[LastRuns]:
        """Returns each job's last run and last success, in the order of the jobs; whatever the retention."""
        found: list[LastRuns] = []
        now_ns, after = self._clock.wall_ns(), FIRST
        while True:
            page = self._ask(functools.partial(page_after, wanted=wanted, now_ns=now_ns, after=after))
            if page is None or page.last is None:
                return found
            found += (LastRuns(job=each.job, run=each.run, success=each.success) for each in page.found)
            after = page.last

    def failures(self, wanted: Wanted) -> list[FailureCount]:
        """Returns how often each job failed in which way, the most frequent first."""
        counts = self._counted(counting.failed, wanted)
        return added((job, each.reason, each.error_type, each.runs, each.last_ns) for each, job in counts)

    def attempts(self, task_id: str) -> list[RunRecord]:
        """Returns the attempts of a task, the first one first."""
        found = self._along([walks.EVERYWHERE], functools.partial(questions.attempts, task_id=task_id))
        return sorted(found, key=lambda run: (run.attempt or 0, started_ns(run), run.uuid))

    def starts(self, wanted: Wanted) -> Iterator[RunRecord]:
        """Yields runs in the order of their starts, in bounded memory."""
        after: questions.Place | None = None
        while True:
            page = self._ask(functools.partial(questions.starts, wanted=wanted, after=after, limit=_AT_ONCE))
            if page is None or page.last is None:
                return
            yield from page.runs
            after = page.last

    def events(self, since_ns: int, until_ns: int | None = None) -> list[Event]:
        """Returns the events of a time, the oldest first."""
        return self._ask(functools.partial(monitor_tables.events, since_ns=since_ns, until_ns=until_ns)) or []

    def states(self) -> list[State]:
        """Returns the last known state of each job."""
        return self._ask(monitor_tables.states) or []

    def senders(self, since_ns: int) -> list[Sender]:
        """Returns the last word of each host that has sent one since a time."""
        return self._ask(functools.partial(monitor_tables.senders, since_ns=since_ns)) or []

    def expectations(self) -> Sequence[ExpectedJob]:
        """Returns what should happen, retired ones too: what the state directory says counts before the history."""
        texts: list[str] = self._ask(monitor_tables.expected) or []
        found = list(decoded(texts, "the history"))
        found += [] if self._expected is None else self._expected.jobs()
        return sorted(joined(found), key=lambda job: (job.job, job.host or "", job.source, job.origin))

    def output(self, uuid: str) -> Mapping[str, bytes]:
        """Returns what is kept of a run's output, by the stream."""
        return self._history.output(uuid)

    def _counted(self, page: counting.Page, wanted: Wanted) -> Iterator[tuple[Any, JobId]]:
        """Yields what the pages of the runs come to, each with its job."""
        ways, jobs = self._ask(functools.partial(walks.walks, wanted=wanted)) or ([], {})
        for each in self._along(ways, page):
            if not isinstance(each.job, JobId) and each.job not in jobs:
                jobs = self._ask(functools.partial(jobs_of, wanted=ALL)) or {}
            job = each.job if isinstance(each.job, JobId) else jobs.get(each.job)
            if job is not None:
                yield each, job
            else:
                _limited_log.warning("job", "runs of the history whose job is unknown are left out")

    def _along(self, ways: Iterable[walks.Walk], page: Callable[..., list[_T]]) -> Iterator[_T]:
        """Yields what is found along some ways; each transaction reads some short ways, or a page of a long one."""
        left = list(ways)
        at, after = 0, left[0].begin if left else walks.BEGIN
        while at < len(left):
            asked = self._ask(functools.partial(self._some, page, left, at, after))
            if asked is None:
                return
            at, after, found = asked
            yield from found

    def _some(
        self,
        page: Callable[..., list[_T]],
        ways: Sequence[walks.Walk],
        at: int,
        after: walks.Place,
        connection: "sqlite3.Connection",
    ) -> tuple[int, walks.Place, list[_T]]:
        """Returns where one transaction ended, and what it found."""
        found: list[_T] = []
        ends_ns = self._clock.monotonic_ns() + _LONG_NS
        while at < len(ways) and self._clock.monotonic_ns() < ends_ns:
            way = ways[at]
            end = way.end_of_page(connection, after)
            found += page(connection, way, after, end)
            if end != way.end:
                return at, end, found
            at += 1
            after = ways[at].begin if at < len(ways) else end
        return at, after, found

    def _ask(self, question: "Callable[[sqlite3.Connection], _T]") -> _T | None:
        return self._history.read(question)


def _open_runs(connection: "sqlite3.Connection", wanted: Wanted) -> list[OpenRun]:
    signs = monitor_tables.signs_of_life(connection)
    found: list[OpenRun] = []
    for run in questions.open_runs(connection, wanted):
        alive_ns, interval_s = signs.get((run.uuid, run.job_id), (None, None))
        found.append(OpenRun(run=run, alive_ns=alive_ns, interval_s=interval_s))
    return found
