"""The measuring of one command, from before it is started until what is known of it is on its way."""

import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from otel_job_measure import names, runtime
from otel_job_measure.cli.exec import tracing
from otel_job_measure.cli.exec.process import Ending
from otel_job_measure.cli.options import complain, in_one_line
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.settings import Settings
from otel_job_measure.spans.run import Run

if TYPE_CHECKING:
    from otel_job_measure.cli.exec.trace import RunSpan


class MeasuredCommand:
    """The run of a command. Its start is in the journal when this is made; nothing that comes later raises.

    Args:
        name: The job's name.
        settings: What to write where.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self._timeout_s = settings.shutdown_timeout_s
        self._opened = runtime.open_recorder(settings)
        self._recorder = self._opened.recorder
        self._run = Run(name)
        self._span: RunSpan | None = None
        self.variables: dict[bytes, bytes] = {}
        """What the command's environment has besides ours: its span."""
        with _going_on("the run has no span"):
            self._span = _span()
        resource = tracing.resource() if self._span is None else self._span.resource
        job = self._recorder.prepare(self._run, resource)
        if self._span is not None and job is not None:
            with _going_on("the run has no span"):
                self._span.start(self._run, job)
                self.variables = self._span.variables()
        self._recorder.start(self._run)
        self.delivers = self._span is not None or (settings.ship and settings.destination is not None)
        """Whether there is something to do while the command runs."""

    def deliver(self) -> None:
        """Imports what brings the points and the span to others, and begins to send."""
        with _going_on("nothing is sent"):
            self._opened.deliver()
        with _going_on("the span is not exported"):
            if self._span is not None:
                self._span.load()

    def keep_up(self) -> None:
        """Gives a sign of life, and writes what could not be written before; for a process without a shipper."""
        with _going_on("the journal is not looked after"):
            self._opened.keep_up()

    def note(self, ending: Ending) -> None:
        """Appends the run's end to the journal; whoever sees the end does so at once, also while `deliver` is at work.

        Args:
            ending: How the command ended.
        """
        with _going_on("the end is not measured"):
            self._recorder.settle(self._run, outcome_of(ending))
            self._recorder.end(self._run)

    def end(self, ending: Ending) -> None:
        """Ends the span of a run whose end was noted; after `deliver`, which brings the span's exporter.

        Args:
            ending: How the command ended.
        """
        with _going_on("the span is not exported"):
            if self._span is not None:
                self._span.end(self._run, outcome_of(ending))

    def close(self) -> None:
        """Sends what is not sent yet, for at most `OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT`."""
        until = time.monotonic() + self._timeout_s
        with _going_on("not all is sent"):
            self._opened.close(self._timeout_s)
        with _going_on("the span is not exported"):
            trouble = None if self._span is None else self._span.finish(until - time.monotonic())
            if trouble is not None:
                complain(f"the span is not exported: {trouble}")


def outcome_of(ending: Ending) -> Outcome:
    """Tells what an ending means for a run.

    Args:
        ending: How the command ended.

    Returns:
        The outcome: what exits with 0 has ended, all else has failed.
    """
    if ending.signal is not None:
        return Outcome(reason=names.REASON_SIGNAL, error_type=_signal_name(ending.signal))
    if ending.code != 0:
        return Outcome(reason=names.REASON_EXIT, error_type=f"exit {ending.code}")
    return ENDED


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals between the first and the last
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def _span() -> "RunSpan | None":
    exporter = tracing.exporter_module()
    if exporter is None:
        return None
    from otel_job_measure.cli.exec.trace import RunSpan  # noqa: PLC0415 - the SDK, which only few commands need

    return RunSpan(exporter)


@contextmanager
def _going_on(otherwise: str) -> Generator[None]:
    """Says what fails in the block; the command is what counts."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - as above
        complain(f"{otherwise}: {in_one_line(error)}")
