"""Writes the points of runs to the journal. It needs no OpenTelemetry."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.journal.interfaces import Journal, Position
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import ending_lines, event_line, start_line
from otel_job_measure.points.tags import resolve
from otel_job_measure.points.text import MAX_BYTES
from otel_job_measure.rate_limited_log import PrintableLog
from otel_job_measure.settings import Settings
from otel_job_measure.spans.guard import Guard, Guards
from otel_job_measure.spans.run import NO_DETAILS, Job, Run

if TYPE_CHECKING:
    from otel_job_measure.spans.declarations import Declarations, Resource
    from otel_job_measure.spans.places import Places

_logger = logging.getLogger(__name__)
_log = PrintableLog(_logger)
_NO_RESOURCE: Final[Mapping[str, object]] = MappingProxyType({})
_KEPT_JOBS: Final = 1024


class Recorder:
    """Records the runs of one `JobMeasure`; no failure in here reaches the job.

    `journal` returns the current journal: after a fork or a `close` it is a new one. `confirm` waits until InfluxDB has
    everything before a position, for at most so many seconds.
    The steps of each run are guarded by `except` and `caught`: entering a guard costs as much as half an append.
    """

    def __init__(  # noqa: PLR0913 - what a pipeline gives
        self,
        settings: Settings,
        journal: Callable[[], Journal],
        *,
        clock: Clock | None = None,
        confirm: Callable[[Position, float], object] | None = None,
        confirm_async: Callable[[Position, float], Awaitable[object]] | None = None,
        declarations: "Declarations | None" = None,
        places: "Places | None" = None,
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.clock = clock or SystemClock()
        self.guards = Guards(self.clock)
        self._confirm = confirm
        self._confirm_async = confirm_async
        self._declarations = declarations
        self._places = places
        self._jobs: dict[tuple[str, int], Job] = {}
        self._preparing = self.guards("preparing a run")
        self._starting = self.guards("recording a start")
        self._ending = self.guards("recording an end")
        self._noting = self.guards("recording what did not run")
        self._confirming = self.guards("waiting for InfluxDB to have a start")
        self._declaring = self.guards("taking what a job declares")

    def prepare(
        self, run: Run, resource: Mapping[str, object] = _NO_RESOURCE, *, start_ns: int | None = None
    ) -> Job | None:
        """Gives a run its start time (`start_ns`, or now) and its job, or no job if its tags cannot be found."""
        run.recorder = self
        job = self._jobs.get((run.name, id(resource))) or self._new_job(run.name, resource)
        try:
            journal = self.journal()
            run.host = journal.host
            run.start_ns = journal.stamp() if start_ns is None else start_ns
        except Exception as error:  # noqa: BLE001 - the guard's
            self._preparing.caught(error)
            run.start_ns = self.clock.wall_ns() if start_ns is None else start_ns
        run.began_ns = self.clock.monotonic_ns()
        run.job = job
        return job

    def declare(self, name: str, limits: Mapping[str, object], module: str, resource: "Resource") -> None:
        """Takes what the code says of a job: when it is due, how long it may take."""
        try:
            if self._declarations is not None:
                self._declarations.add(name, limits, module, self.settings, resource)
        except Exception as error:  # noqa: BLE001 - the guard's
            self._declaring.caught(error)

    def start(self, run: Run) -> None:
        """Records the start of a prepared run, unless it is recorded already."""
        self._once(run, "start", self._write_start, self._starting)

    def set_outcome(self, run: Run, outcome: Outcome, *, end_ns: int | None = None) -> None:
        """Fixes how and when (`end_ns`, or now) a run ended; only the first call for a run does anything."""
        if run.outcome is not None:
            return
        if end_ns is None:
            took_ns = self.clock.monotonic_ns() - run.began_ns
            run.duration_s = took_ns / 1e9
            try:
                run.end_ns = self.journal().stamp(after_ns=run.start_ns)
            except Exception as error:  # noqa: BLE001 - the guard's
                run.end_ns = run.start_ns + max(took_ns, 1000)
                self._ending.caught(error)
        else:
            run.duration_s = max(end_ns - run.start_ns, 0) / 1e9
            run.end_ns = end_ns
        run.outcome = outcome

    def end(self, run: Run) -> None:
        """Records the end of a run that has an outcome, unless it is recorded already."""
        if "start" in run.pending:  # it was interrupted
            self.start(run)
        self._once(run, "end", self._write_end, self._ending)

    def event(
        self, job: str, event: str, due_ns: int, detail: str, resource: Mapping[str, object] = _NO_RESOURCE
    ) -> None:
        """Records something that happened beside the runs of a job, at its due time."""
        with self._noting:
            found = self._jobs.get((job, id(resource))) or self._new_job(job, resource)
            if found is not None and not self.settings.disabled:
                self.journal().note(event_line(found.series, event, due_ns, detail))

    def wait_for_start(self) -> None:
        """Waits until InfluxDB has the starts so far, if `OTEL_JOB_MEASURE_CONFIRM_START` is `server`."""
        if self._confirm is not None:
            with self._confirming:
                self._confirm(self.journal().tail(), self.settings.confirm_timeout_s)

    async def wait_for_start_async(self) -> None:
        """Does the same without blocking the event loop."""
        if self._confirm_async is not None:
            with self._confirming:
                await self._confirm_async(self.journal().tail(), self.settings.confirm_timeout_s)

    def _new_job(self, name: str, resource: Mapping[str, object]) -> Job | None:
        for where in (resource, _NO_RESOURCE):
            with self._preparing:
                job = Job(name, resolve(self.settings, where), resource)
                if len(name) <= MAX_BYTES:  # a thousand longer names would fill the memory
                    if len(self._jobs) >= _KEPT_JOBS:  # job names that never repeat
                        self._jobs.clear()
                    self._jobs[name, id(resource)] = job
                return job
        return None

    def _once(self, run: Run, what: str, write: Callable[[Run, Job], None], guard: Guard) -> None:
        """Writes one of a run's points, only for the first caller and only in the process that began the run."""
        if run.job is None or not run.is_of_this_process:  # a signal handler may have forked
            return
        try:
            if run.pending.pop(what, False):
                write(run, run.job)
        except Exception as error:  # noqa: BLE001 - the guard's
            guard.caught(error)
        except BaseException:  # an interruption of the job: a later call writes the same point, which does no harm
            run.pending[what] = True
            raise

    def _write_start(self, run: Run, job: Job) -> None:
        line = start_line(job.series, run.uuid, run.start_ns)
        self.journal().begin(run.uuid, line if run.preface is None else run.preface(run) + line)
        if self._places is not None:
            self._places.began(run, self.settings)
        if _logger.isEnabledFor(logging.DEBUG):
            _log.debug("job %r started, run %s", run.name, run.uuid)

    def _write_end(self, run: Run, job: Job) -> None:
        outcome, details = run.outcome or ENDED, run.details
        journal = self.journal()
        trace_id = None if run.trace is None else f"{run.trace[0]:032x}"
        span_id = None if run.trace is None else f"{run.trace[1]:016x}"
        ending = Ending(run.uuid, outcome, run.end_ns, run.duration_s, journal.host, trace_id, span_id)
        if details is not NO_DETAILS:
            ending = ending._replace(
                attempt=details.attempt,
                lag_s=run.lag_s,
                queued_s=run.queued_s,
                trigger=details.trigger,
                task_id=details.task_id,
            )
        settings = self.settings
        lines = ending_lines(job.series, ending, run_row=settings.runs, error_message=settings.error_message)
        journal.finish(run.uuid, lines)
        if self._places is not None:
            self._places.ended(run.uuid)
        if _logger.isEnabledFor(logging.DEBUG):
            how = outcome.status if outcome.reason is None else f"{outcome.status} ({outcome.reason})"
            _log.debug("job %r ended, run %s: %s after %.6f s", run.name, run.uuid, how, run.duration_s)
