"""Writes the points of runs into the journal. It needs no OpenTelemetry."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.journal.interfaces import Journal, Position
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags, resolve
from otel_job_measure.settings import Settings
from otel_job_measure.spans.guard import Guards
from otel_job_measure.spans.job import Job
from otel_job_measure.spans.run import Run

_logger = logging.getLogger(__name__)
_NO_RESOURCE: Mapping[str, object] = MappingProxyType({})
_KEPT = 64
_KEPT_JOBS = 1024


class Recorder:
    """Records the runs of one `JobMeasure`: nothing that fails here reaches the job.

    What happens in each run is guarded by `except` and `caught`: entering a guard costs as much as half an append.

    Args:
        settings: What is written.
        journal: Gives the journal of the moment, cheaply; after a fork or a `close` it is a new one.
        clock: The machine's clocks; the monotonic one tells how long a run took.
        confirm: Waits until InfluxDB has what is before a mark, at most so many seconds; None where nobody asked.
        confirm_async: The same for coroutines.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Callable[[], Journal],
        *,
        clock: Clock | None = None,
        confirm: Callable[[Position, float], object] | None = None,
        confirm_async: Callable[[Position, float], Awaitable[object]] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.guards = Guards(self.clock)
        self._journal = journal
        self._confirm = confirm
        self._confirm_async = confirm_async
        self._tags: dict[int, tuple[Mapping[str, object], DefaultTags]] = {}
        self._jobs: dict[tuple[str, int], Job] = {}
        self._preparing = self.guards("preparing a run")
        self._starting = self.guards("recording a start")
        self._ending = self.guards("recording an end")
        self._confirming = self.guards("waiting for InfluxDB to have a start")

    def prepare(
        self, run: Run, resource: Mapping[str, object] = _NO_RESOURCE, *, start_ns: int | None = None
    ) -> Job | None:
        """Gives a run its time and its tags.

        Args:
            run: A new run.
            resource: The attributes of the span's resource, where default tags may come from.
            start_ns: When it began, in nanoseconds since 1970, where that is not for us to say; None means now.

        Returns:
            What it has in common with all runs of its job; None where that can't be found.
        """
        job = self._jobs.get((run.name, id(resource))) or self._new_job(run.name, resource)
        try:
            journal = self._journal()
            run.host = journal.host
            run.start_ns = journal.stamp() if start_ns is None else start_ns
        except Exception as error:  # noqa: BLE001 - the guard's
            self._preparing.caught(error)
            run.start_ns = self.clock.wall_ns() if start_ns is None else start_ns
        run.began_ns = self.clock.monotonic_ns()
        if job is not None:
            run.series = job.series
        return job

    def start(self, run: Run) -> None:
        """Records that a run has begun, unless that is recorded already.

        Args:
            run: A prepared run.
        """
        if run.series is None or not run.is_of_this_process:  # a handler has forked, and this is its child
            return
        try:
            if run.claim_start():
                try:
                    self._write_start(run, run.series)
                except Exception as error:  # noqa: BLE001 - the guard's
                    self._starting.caught(error)
        except BaseException:  # an interruption of the job: the end will record the start too; twice does no harm
            run.give_back_start()
            raise

    def settle(self, run: Run, outcome: Outcome, *, end_ns: int | None = None) -> None:
        """Fixes how and when a run ended; the first to say it is right.

        Args:
            run: A run that was prepared.
            outcome: How it ended.
            end_ns: When, in nanoseconds since 1970, for runs whose start was given too; None means now.
        """
        if run.outcome is not None:
            return
        if end_ns is None:
            took_ns = self.clock.monotonic_ns() - run.began_ns
            run.duration_s = took_ns / 1e9
            try:
                run.end_ns = self._journal().stamp(after_ns=run.start_ns)
            except Exception as error:  # noqa: BLE001 - the guard's
                run.end_ns = run.start_ns + max(took_ns, 1000)
                self._ending.caught(error)
        else:
            run.duration_s = max(end_ns - run.start_ns, 0) / 1e9
            run.end_ns = end_ns
        run.outcome = outcome

    def end(self, run: Run) -> None:
        """Records that a run has ended, unless that is recorded already or the run is another process's.

        Args:
            run: A settled run.
        """
        if run.series is None or not run.is_of_this_process:
            return
        try:
            if run.claim_end():
                if "start" in run.unclaimed:  # that was interrupted
                    self.start(run)
                try:
                    self._write_end(run, run.series)
                except Exception as error:  # noqa: BLE001 - the guard's
                    self._ending.caught(error)
        except BaseException:
            run.give_back_end()
            raise

    def tags(self, resource: Mapping[str, object]) -> DefaultTags:
        """Finds the default tags of a resource's runs.

        Args:
            resource: The resource's attributes; they are looked at once, since they don't change.

        Returns:
            The tags.
        """
        known = self._tags.get(id(resource))
        if known is not None:
            return known[1]
        found = resolve(self.settings, resource)
        if len(self._tags) >= _KEPT:
            self._tags.clear()
        self._tags[id(resource)] = (resource, found)  # kept, so that no other can have its id
        return found

    def wait_for_start(self) -> None:
        """Waits until InfluxDB has the starts so far, where `OTEL_JOB_MEASURE_CONFIRM_START` asks for it."""
        if self._confirm is not None:
            with self._confirming:
                self._confirm(self._journal().tail(), self.settings.confirm_timeout_s)

    async def wait_for_start_async(self) -> None:
        """Does the same without holding up the event loop."""
        if self._confirm_async is not None:
            with self._confirming:
                await self._confirm_async(self._journal().tail(), self.settings.confirm_timeout_s)

    def _new_job(self, name: str, resource: Mapping[str, object]) -> Job | None:
        for where in (resource, _NO_RESOURCE):
            with self._preparing:
                job = Job(name, self.tags(where), resource)
                if len(self._jobs) >= _KEPT_JOBS:  # names that never end: begin again
                    self._jobs.clear()
                self._jobs[name, id(resource)] = job
                return job
        return None

    def _write_start(self, run: Run, start_of_rows: Series) -> None:
        self._journal().begin(run.uuid, start_line(start_of_rows, run.uuid, run.start_ns))
        if _logger.isEnabledFor(logging.DEBUG):
            _logger.debug("job %r started, run %s", run.name, run.uuid)

    def _write_end(self, run: Run, start_of_rows: Series) -> None:
        outcome = run.outcome or ENDED
        journal = self._journal()
        trace_id, span_id = run.trace or (None, None)
        lines = ending_lines(
            start_of_rows,
            Ending(
                uuid=run.uuid,
                outcome=outcome,
                end_ns=run.end_ns,
                duration_s=run.duration_s,
                host=journal.host,
                trace_id=None if trace_id is None else f"{trace_id:032x}",
                span_id=None if span_id is None else f"{span_id:016x}",
            ),
            run_row=self.settings.runs,
            error_message=self.settings.error_message,
        )
        journal.finish(run.uuid, lines)
        if _logger.isEnabledFor(logging.DEBUG):
            how = outcome.status if outcome.reason is None else f"{outcome.status} ({outcome.reason})"
            _logger.debug("job %r ended, run %s: %s after %.6f s", run.name, run.uuid, how, run.duration_s)
