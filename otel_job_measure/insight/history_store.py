"""The local history as a store of runs."""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations.encoding import decode
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.expectations.precedence import joined
from otel_job_measure.history import monitor_tables, questions
from otel_job_measure.history.history import Behind, History
from otel_job_measure.history.last_runs import last_runs
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.quantiles import nearest_rank
from otel_job_measure.insight.run_store import FailureCount, LastRuns, OpenRun, Summary, Wanted
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.points.monitor import Event, Sender, State
from otel_job_measure.rate_limited_log import RateLimitedLog
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    import sqlite3

_T = TypeVar("_T")
_AT_ONCE: Final = 1000
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

    def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
        """Returns the latest runs, the newest first."""
        return self._ask(functools.partial(questions.latest, wanted=wanted, limit=limit)) or []

    def count(self, wanted: Wanted) -> int:
        """Returns how many runs there are."""
        return self._ask(functools.partial(questions.count, wanted=wanted)) or 0

    def find(self, uuid_prefix: str, limit: int = 10) -> list[RunRecord]:
        """Returns the runs whose uuid begins so, the newest first."""
        return self._ask(functools.partial(questions.find, prefix=uuid_prefix, limit=limit)) or []

    def summaries(self, wanted: Wanted) -> list[Summary]:
        """Returns a summary of each job, in the order of the jobs."""
        return self._ask(lambda connection: _summaries(questions.summarized(connection, wanted))) or []

    def open_runs(self, wanted: Wanted) -> list[OpenRun]:
        """Returns the runs that have not ended, the oldest first."""
        return self._ask(lambda connection: _open_runs(connection, wanted)) or []

    def last_runs(self, wanted: Wanted) -> list[LastRuns]:
        """Returns each job's last run and last success, in the order of the jobs; whatever the retention."""
        now_ns = self._clock.wall_ns()
        found = self._ask(lambda connection: list(last_runs(connection, wanted, now_ns))) or []
        return [LastRuns(job=JobId(*each.job), run=each.run, success=each.success) for each in found]

    def failures(self, wanted: Wanted) -> list[FailureCount]:
        """Returns how often each job failed in which way, the most frequent first."""
        found = self._ask(functools.partial(questions.failures, wanted=wanted)) or []
        return [
            FailureCount(job=JobId(*job), reason=reason or None, error_type=kind, count=count, last_ns=last_ns)
            for *job, reason, kind, count, last_ns in found
        ]

    def attempts(self, task_id: str) -> list[RunRecord]:
        """Returns the attempts of a task, the first one first."""
        return self._ask(functools.partial(questions.attempts, task_id=task_id)) or []

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
        found = [job for text in texts if (job := _decoded(text)) is not None]
        found += [] if self._expected is None else self._expected.jobs()
        return sorted(joined(found), key=lambda job: (job.job, job.host or "", job.source, job.origin))

    def output(self, uuid: str) -> Mapping[str, bytes]:
        """Returns what is kept of a run's output, by the stream."""
        return self._history.output(uuid)

    def _ask(self, question: "Callable[[sqlite3.Connection], _T]") -> _T | None:
        return self._history.read(question)


def _open_runs(connection: "sqlite3.Connection", wanted: Wanted) -> list[OpenRun]:
    signs = monitor_tables.signs_of_life(connection)
    found: list[OpenRun] = []
    for run in questions.open_runs(connection, wanted):
        alive_ns, interval_s = signs.get((run.uuid, run.job_id), (None, None))
        found.append(OpenRun(run=run, alive_ns=alive_ns, interval_s=interval_s))
    return found


def _decoded(text: str) -> ExpectedJob | None:
    try:
        return decode(text)
    except ScheduleError as error:
        _limited_log.warning("expected", "an expectation in the history cannot be read and is left out: %s", error)
        return None


class _Tally:
    """The runs of one job."""

    __slots__ = ("durations", "ended", "last_ns", "running", "runs", "votes")

    def __init__(self) -> None:
        self.runs = self.ended = self.running = self.votes = 0
        self.durations: list[float] = []
        self.last_ns: int | None = None


def _summaries(rows: Iterable[tuple[Any, ...]]) -> list[Summary]:
    tallies: dict[JobId, _Tally] = {}
    for job, project, stage, status, success, duration_s, started_ns in rows:
        tally = tallies.setdefault(JobId(job, project, stage), _Tally())
        tally.runs += 1
        tally.ended += status == names.STATUS_END
        tally.running += status == names.STATUS_START
        tally.votes += success is not None
        if duration_s is not None:
            tally.durations.append(duration_s)
        if started_ns is not None:
            tally.last_ns = started_ns if tally.last_ns is None else max(tally.last_ns, started_ns)
    return [_summary(job, tallies[job]) for job in sorted(tallies)]


def _summary(job: JobId, tally: _Tally) -> Summary:
    tally.durations.sort()
    return Summary(
        job=job,
        runs=tally.runs,
        ended=tally.ended,
        failed=tally.runs - tally.ended - tally.running,
        running=tally.running,
        success=tally.ended / tally.votes if tally.votes else None,
        p50_s=nearest_rank(tally.durations, 50),
        p95_s=nearest_rank(tally.durations, 95),
        longest_s=tally.durations[-1] if tally.durations else None,
        last_started_ns=tally.last_ns,
    )
