"""The RunStore over an InfluxDB."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.delivery.influxdb.advice import Server
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.history.checked_run import CheckedRun, latest_of
from otel_job_measure.history.mark import Mark, mark_of
from otel_job_measure.history.run_order import oldest, started_ns
from otel_job_measure.history.run_record import RUNNING, RunRecord, record_of
from otel_job_measure.insight import tally
from otel_job_measure.insight.influxdb import matching, monitor_rows
from otel_job_measure.insight.influxdb.ask import FIRST_NS, Language
from otel_job_measure.insight.influxdb.connection import Connection
from otel_job_measure.insight.influxdb.last_runs import Last
from otel_job_measure.insight.influxdb.open_runs import OpenRuns
from otel_job_measure.insight.influxdb.read_runs import ReadRuns
from otel_job_measure.insight.influxdb.recent import Recent
from otel_job_measure.insight.influxdb.retention import retention_s
from otel_job_measure.insight.influxdb.rows import COUNTED_FIELDS, Rows
from otel_job_measure.insight.influxdb.server import language_of
from otel_job_measure.insight.influxdb.starts import Starts
from otel_job_measure.insight.influxdb.walk import Walk, counts_ns
from otel_job_measure.insight.influxdb.windows import EVER, time_of
from otel_job_measure.insight.run_store import ALL, FailureCount, LastRuns, OpenRun, Summary, Wanted
from otel_job_measure.points.monitor import Event, Sender, State
from otel_job_measure.settings import Settings


class InfluxStore:
    """Answers every question from an InfluxDB of any generation.

    Args:
        settings: With a destination that is an InfluxDB.
        clock: The time.

    Raises:
        StoreError: The settings name no InfluxDB.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._connection = Connection(settings)
        self._clock = clock or SystemClock()

    @property
    def label(self) -> str:
        """What people read: where the answers come from."""
        return self._connection.destination.label

    @cached_property
    def _server(self) -> tuple[Server, Language]:
        return language_of(self._connection)

    @property
    def _language(self) -> Language:
        return self._server[1]

    @cached_property
    def _retention_s(self) -> float | None:
        return retention_s(self._connection, self._server[0].generation)

    def keeps_s(self) -> float | None:
        """Returns how long the bucket keeps rows, in seconds; None if that is for ever, or cannot be known."""
        return self._retention_s or None

    def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
        """Returns the latest runs, the newest first."""
        return self._latest(Walk(Rows(self._language, wanted), time_of(wanted)), wanted, limit)

    def recent(self, wanted: Wanted, per_job: int) -> dict[JobId, list[Mark]]:
        """Returns the latest runs of each job, at most so many of each, the newest first, in the order of the jobs."""
        found = Recent(self._language, wanted, per_job).find()
        return {job: [*map(mark_of, runs)] for job, runs in found.items()}

    def checked_runs(self, wanted: Wanted, most: Callable[[JobId], int]) -> dict[JobId, list[CheckedRun]]:
        """Returns the latest runs of each job, the oldest first, in the order of the jobs."""
        return latest_of(self.starts(wanted), most)

    def _latest(self, walk: Walk, wanted: Wanted, limit: int) -> list[RunRecord]:
        if limit < 1:
            return []
        wants = matching.matcher(wanted)
        found: list[RunRecord] = []
        for runs in walk.batches(self._clock.wall_ns()):
            found += filter(wants, map(record_of, runs))
            if len(found) >= limit:
                break
        found = sorted(found, key=oldest, reverse=True)[:limit]
        oldest_ns = started_ns(found[-1]) if len(found) == limit else FIRST_NS
        others = walk.without_start(lambda run: counts_ns(run) >= oldest_ns and wants(record_of(run)))
        found += map(record_of, others)
        return sorted(found, key=oldest, reverse=True)[:limit]

    def find(self, uuid_prefix: str, limit: int = 10) -> list[RunRecord]:
        """Returns the runs whose uuid begins so, the newest first."""
        walk = Walk(Rows(self._language, ALL, uuid_prefix=uuid_prefix), EVER)
        return self._latest(walk, ALL, limit)

    def attempts(self, task_id: str) -> list[RunRecord]:
        """Returns the attempts of a task that have ended, the first one first; a start row has no task."""
        if not task_id:
            return []
        rows = Rows(self._language, ALL)
        asked = rows.ask((names.RUNS,), texts=(names.FIELD_TASK_ID, (task_id,)))
        runs = ReadRuns(self._language.tables(asked)).runs
        others = ReadRuns(rows.of_runs(list(runs), EVER)).runs
        for place in runs.keys() & others.keys():
            runs[place].take(others[place])
        found = [run for run in map(record_of, runs.values()) if run.task_id == task_id]
        return sorted(found, key=lambda run: (run.attempt or 0, *oldest(run)))

    def starts(self, wanted: Wanted) -> Iterator[RunRecord]:
        """Yields runs in the order of their starts, in bounded memory."""
        batches = Starts(self._language, Rows(self._language, wanted), time_of(wanted)).batches()
        return filter(matching.matcher(wanted), map(record_of, chain.from_iterable(batches)))

    def events(self, since_ns: int, until_ns: int | None = None) -> list[Event]:
        """Returns the events of a time, the oldest first."""
        return monitor_rows.events(self._language, time_of(Wanted(since_ns=since_ns, until_ns=until_ns)))

    def states(self) -> list[State]:
        """Returns the last known state of each job."""
        return monitor_rows.states(self._language)

    def senders(self, since_ns: int) -> list[Sender]:
        """Returns the last word of each host that has sent one since a time, of all its senders together."""
        return monitor_rows.senders(self._language, since_ns)

    def expectations(self) -> Sequence[ExpectedJob]:
        """Returns what should happen, retired ones too; see `monitor_rows` for those that are not found."""
        return monitor_rows.expectations(self._language)

    def count(self, wanted: Wanted) -> int:
        """Returns how many runs there are."""
        return sum(1 for _ in self._counted(wanted))

    def summaries(self, wanted: Wanted) -> list[Summary]:
        """Returns a summary of each job, in the order of the jobs."""
        return tally.summaries(self._counted(wanted))

    def failures(self, wanted: Wanted) -> list[FailureCount]:
        """Returns how often each job failed in which way, the most frequent first."""
        return tally.failures(self._counted(wanted, names.FIELD_ERROR_TYPE))

    def open_runs(self, wanted: Wanted) -> list[OpenRun]:
        """Returns the runs that have not ended, the oldest first; see `open_runs` for those that are not found."""
        found = OpenRuns(self._language, wanted, self._clock.wall_ns()).find()
        if found is None:
            runs = (run for run in self._counted(wanted) if run.status == RUNNING)
            found = [OpenRun(run=run, alive_ns=None, interval_s=None) for run in runs]
        wants = matching.matcher(wanted)
        return sorted((each for each in found if wants(each.run)), key=lambda each: oldest(each.run))

    def last_runs(self, wanted: Wanted) -> list[LastRuns]:
        """Returns each job's last run and last success, in the order of the jobs; as far as the bucket keeps them."""
        return Last(self._language, wanted, self._clock.wall_ns()).find()

    def _counted(self, wanted: Wanted, *more: str) -> Iterator[RunRecord]:
        """Yields the runs of a time, with only those values that are counted."""
        walk = Walk(Rows(self._language, wanted, (*COUNTED_FIELDS, *more)), time_of(wanted))
        runs = chain.from_iterable(walk.batches(self._clock.wall_ns()))
        return filter(matching.matcher(wanted), map(record_of, runs))
