"""Measures one command: from before it starts until its points and its span are sent."""

import time
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from otel_job_measure import names
from otel_job_measure.cli.exec import tracing
from otel_job_measure.cli.exec.process import Ending
from otel_job_measure.cli.options import complain, in_one_line
from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import HistoryError, SettingsError
from otel_job_measure.journal.private_files import read_private
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.outcome import ENDED, Outcome, outcome_of_exit
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import clean_tag
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.settings import Settings
from otel_job_measure.settings.model import LOCAL
from otel_job_measure.spans.run import Run

if TYPE_CHECKING:
    from otel_job_measure.cli.exec.output import Output
    from otel_job_measure.cli.exec.span import RunSpan


_NONE: Mapping[str, str] = {}
_CONFIRMED_S = 3600.0
_MOST_BYTES = 1024 * 1024
_ENOUGH = 64
"""How many segments are worth a transaction of the history, and the 7 ms that SQLite takes to load."""


class CommandRecorder:
    """The journal of `exec`, and the recorder that writes into it."""

    def __init__(self, settings: Settings) -> None:
        self._pipeline = Pipeline(settings, ships=False)
        self.recorder = self._pipeline.recorder(settings)
        self._delivers = settings.ship and settings.destination is not None

    def deliver(self) -> None:
        """Imports the libraries for delivery and begins to send, if a server is configured."""
        if self._delivers:
            self._pipeline.ship()
            self._pipeline.journal.wake()

    @property
    def has_history(self) -> bool:
        """Returns whether the journal's points come into a local history."""
        return self._pipeline.settings.history and not self._pipeline.settings.in_memory

    def keep(self, uuid: str, end_ns: int, outputs: Mapping[str, bytes]) -> None:
        """Appends the end of a command's output, as comments, which no server gets, without this program's secrets."""
        from otel_job_measure.journal.kept_output import KeptOutput, encode  # noqa: PLC0415 - only for this option
        from otel_job_measure.settings.secret import mask  # noqa: PLC0415 - the same

        secrets = [secret.encode().decode("latin-1") for secret in _secrets_of(self._pipeline.settings)]
        for stream, data in outputs.items():
            masked = mask(data.decode("latin-1"), secrets).encode("latin-1")
            self._pipeline.journal.note(encode(KeptOutput(uuid, end_ns, stream, masked)))

    def expect(self, name: str, tags: DefaultTags, limits: Mapping[str, str]) -> None:
        """Notes the limits of a job; if the file already has these words, that is one look at it."""
        settings = self._pipeline.settings
        where = ", ".join(filter(None, (tags.project, tags.stage)))
        origin = f"{clean_tag(name)} ({clean_tag(where)})"
        if settings.in_memory:
            if not limits:
                return
        elif self._is_known(StateDir(settings.state_path).expected_file("exec", origin), limits):
            return
        from otel_job_measure.cli.exec.expecting import note  # noqa: PLC0415 - only where it changed

        note(settings, self._pipeline.expected_memory(), origin, name, tags, limits, mark_of(limits))

    def _is_known(self, path: Path, limits: Mapping[str, str]) -> bool:
        try:
            age_s = time.time() - path.lstat().st_mtime
        except OSError:
            return not limits  # nothing was ever said
        said = f'"said":"{mark_of(limits)}"'.encode()
        return 0 <= age_s < _CONFIRMED_S and said in read_private(path, _MOST_BYTES)

    def keep_up(self) -> None:
        """Writes a heartbeat and waiting points; without a shipper it also does maintenance, if it is due."""
        self._pipeline.journal.maintain()
        if not self._delivers and self._needs_maintenance():
            self._pipeline.source().recover()

    def close(self, timeout_s: float) -> bool:
        """Sends the rest for at most so many seconds; returns whether nothing is left to send."""
        if self._delivers or not self._needs_maintenance():
            return self._pipeline.close(timeout_s)
        self._pipeline.source().recover()
        is_done = self._pipeline.close(timeout_s)
        self._ingest_ready(timeout_s)
        return is_done

    def _ingest_ready(self, timeout_s: float) -> None:
        """Ingests what only the history takes, because commands in a crontab may have no other process for months."""
        settings = self._pipeline.settings
        if settings.destination_id == LOCAL and settings.history:
            waiting = next(StateDir(settings.state_path).ready_windows({LOCAL}), None) or []
            if len(waiting) >= _ENOUGH:
                from otel_job_measure.runtime import history_reader  # noqa: PLC0415 - loads SQLite, rarely needed

                history_reader.ingest_ready(settings, waiting, within_s=timeout_s)

    def _needs_maintenance(self) -> bool:
        """Returns whether no process has maintained the state directory lately: one look at a file."""
        settings = self._pipeline.settings
        return not settings.in_memory and StateDir(settings.state_path).needs_maintenance(SystemClock())


class MeasuredCommand:
    """The run of a command. The constructor writes its start to the journal and may raise; the methods never raise."""

    def __init__(self, name: str, settings: Settings, limits: Mapping[str, str] = _NONE) -> None:
        self._limits: Mapping[str, str] | None = limits
        self._timeout_s = settings.shutdown_timeout_s
        self._opened = CommandRecorder(settings)
        self._recorder = self._opened.recorder
        self._run = Run(name)
        self._span: RunSpan | None = None
        self._output: Output | None = None
        self.variables: dict[bytes, bytes] = {}
        """Variables for the command: the run's span as the parent of its own."""
        with _going_on("the run has no span"):
            self._span = _span()
        resource = tracing.resource() if self._span is None else self._span.resource
        job = self._job = self._recorder.prepare(self._run, resource)
        if self._span is not None and job is not None:
            with _going_on("the run has no span"):
                self._span.start(self._run, job)
                self.variables = self._span.variables()
        self._recorder.start(self._run)
        self.delivers = self._span is not None or (settings.ship and settings.destination is not None)
        """Whether `deliver` has anything to do while the command runs."""

    def watch_output(self, limit: int) -> None:
        """Prepares to keep the end of stdout and stderr, at most so many bytes of each."""
        with _going_on("the output is not kept"):
            if not self._opened.has_history:
                raise HistoryError("there is no local history to keep it in")
            from otel_job_measure.cli.exec.output import Output  # noqa: PLC0415 - only for this option

            self._output = Output(limit)
            if alone := self._output.left_alone:
                complain(f"the output is kept only of files, pipes and sockets, not of {' and '.join(alone)} here")

    @contextmanager
    def attached(self) -> Generator[None]:
        """Has the command that is started in the block write to where its output is kept."""
        with ExitStack() as stack:
            with _going_on("the output is not kept"):
                if self._output is not None:
                    stack.enter_context(self._output.attached())
            yield

    def keep_output(self, ending: Ending) -> None:
        """Hands on the rest of the output, and appends its end to the journal if the command failed."""
        with _going_on("the output is not kept"):
            if self._output is not None:
                kept = self._output.kept(self._timeout_s)
                if outcome_of(ending) is not ENDED:
                    self._opened.keep(self._run.uuid, self._run.end_ns, kept)

    def deliver(self) -> None:
        """Imports the libraries that send points and spans, and begins to send."""
        with _going_on("nothing is sent"):
            self._opened.deliver()
        self._expect()
        with _going_on("the span is not exported"):
            if self._span is not None:
                self._span.load()

    def keep_up(self) -> None:
        """Writes a heartbeat, and points that could not be written before; for a process without a shipper."""
        with _going_on("the journal is not looked after"):
            self._opened.keep_up()
        self._expect()

    def note(self, ending: Ending) -> None:
        """Appends the run's end to the journal, also while another thread runs `deliver`."""
        with _going_on("the end is not measured"):
            self._recorder.set_outcome(self._run, outcome_of(ending))
            self._recorder.end(self._run)

    def end(self, ending: Ending) -> None:
        """Ends the span, after `note` and `deliver`."""
        with _going_on("the span is not exported"):
            if self._span is not None:
                self._span.end(self._run, outcome_of(ending))

    def close(self) -> None:
        """Sends the rest, for at most `OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT`."""
        until = time.monotonic() + self._timeout_s
        self._expect()
        with _going_on("not all is sent"):
            self._opened.close(self._timeout_s)
        with _going_on("the span is not exported"):
            trouble = None if self._span is None else self._span.finish(until - time.monotonic())
            if trouble is not None:
                complain(f"the span is not exported: {trouble}")

    def _expect(self) -> None:
        """Notes what should happen to the job, once, after the command has started."""
        limits, self._limits = self._limits, None
        if limits is not None and self._job is not None:
            with _going_on("what should happen is not kept"):
                self._opened.expect(self._run.name, self._job.tags, limits)


def load_late_parts() -> None:
    """Imports what is else imported after the journal is open; for a process that is about to give up its rights."""
    from otel_job_measure.cli.exec import expecting, output  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]

    with suppress(Exception):  # `MeasuredCommand` will say it
        module = tracing.exporter_module()
        if module is not None:
            from otel_job_measure.cli.exec import exporter, span  # noqa: PLC0415 - imports the SDK

            span.RunSpan(module)
            exporter.made(module).shutdown()
            exporter.shown("")


def outcome_of(ending: Ending) -> Outcome:
    """Returns the outcome of a run: exit code 0 is `end`, anything else `failed`."""
    if ending.timed_out:
        return Outcome(reason=names.REASON_TIMEOUT, error_type="time limit")
    if ending.signal is not None:
        return outcome_of_exit(-ending.signal)
    return outcome_of_exit(ending.code) if ending.code else ENDED


def _secrets_of(settings: Settings) -> Iterator[str]:
    for read in (settings.token, settings.password):
        with suppress(SettingsError):
            yield read()
    yield from settings.headers().values()


def mark_of(limits: Mapping[str, str]) -> str:
    """Returns a mark of limits as they were written: other words have another one."""
    data = "\0".join(f"{limit}={text}" for limit, text in limits.items()).encode(errors="surrogateescape")
    return f"{len(data)}-{zlib.crc32(data):08x}-{zlib.adler32(data):08x}"


def _span() -> "RunSpan | None":
    module = tracing.exporter_module()
    if module is None:
        return None
    from otel_job_measure.cli.exec.span import RunSpan  # noqa: PLC0415 - imports the SDK

    return RunSpan(module)


@contextmanager
def _going_on(otherwise: str) -> Generator[None]:
    """Reports a failure of the block on stderr and goes on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the command comes first
        complain(f"{otherwise}: {in_one_line(error)}")
