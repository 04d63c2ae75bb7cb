"""Puts a shipper together: its sinks, and when each is served."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.delivery.consumer import EAGER, LAZY, Consumer
from otel_job_measure.delivery.health import Health, health_of
from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.delivery.unavailable import Unavailable
from otel_job_measure.errors import MissingDependencyError, SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.dead_letters import DeadLetterFiles, LoggedDeadLetters
from otel_job_measure.journal.interfaces import Ack, Chunk, Position, Rejects, Sink, Source, WriteResult
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.places import identity_of
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    from otel_job_measure.delivery.checkpoints import Progress
    from otel_job_measure.delivery.server_sink import ServerSink


class Shipping:
    """The shipper of one journal in one life of a process: a fork or a close is followed by another.

    Args:
        settings: Where to, and what.
        source: The reading side of the journal.
        counters: Where points are counted.
        client: An `InfluxDBClient` of the app's own, or None.
        clock: The machine's clocks.
        is_in_memory: Tells whether the points are in memory, maybe since there is no place for files.
    """

    def __init__(  # noqa: PLR0913 - the parts of one machine
        self,
        settings: Settings,
        source: Source,
        counters: Counters,
        *,
        client: object,
        clock: Clock,
        is_in_memory: Callable[[], bool],
    ) -> None:
        self._counters = counters
        self._server = _server_or_stand_in(settings, counters, client=client, clock=clock) if settings.ship else None
        consumers: list[Consumer] = [] if self._server is None else [Consumer(self._server, EAGER, clock=clock)]
        history = history_sink(settings, clock=clock)
        if history is not None:
            consumers.append(Consumer(_OnlyFromFiles(history, is_in_memory), LAZY, clock=clock))
        # With SHIP=off it is `otel-job-measure ship` that knows when a segment may go.
        self._shipper = Shipper(source, consumers, counters, clock=clock, drops=settings.ship)
        self.wake = self._shipper.wake
        self.wait_for = self._shipper.wait_for
        self.close = self._shipper.close
        self.has_delivered = self._shipper.has_delivered

    def confirm(self, mark: Position, timeout_s: float) -> bool:
        """Waits until the server has what is before a mark, but not while it is known to be down."""
        return self._shipper.wait_for(mark, timeout_s, unless_down=True)

    async def confirm_async(self, mark: Position, timeout_s: float) -> bool:
        """Does the same without holding up the event loop."""
        return await self._shipper.wait_for_async(mark, timeout_s, unless_down=True)

    def health(self) -> Health:
        """Returns what is known of the delivery."""
        return health_of(self._counters, self._shipper, self._server)


class _OnlyFromFiles:
    """The history, while points are in files: where there is no place for those, there is none for the history.

    Args:
        history: The history.
        is_in_memory: Tells whether the points are in memory.
    """

    def __init__(self, history: Sink, is_in_memory: Callable[[], bool]) -> None:
        self._history = history
        self._is_in_memory = is_in_memory
        self.name = history.name
        self.forget = history.forget
        self.close = history.close

    def position(self, segment: str) -> int:
        """Returns how much of a segment the history has, in bytes."""
        return 0 if self._is_in_memory() else self._history.position(segment)

    def take(self, chunks: Sequence[Chunk]) -> WriteResult:
        """Gives chunks to the history."""
        return WriteResult(taken=Ack.DONE) if self._is_in_memory() else self._history.take(chunks)


def server_sink(
    settings: Settings,
    counters: Counters,
    *,
    client: object = None,
    clock: Clock | None = None,
    progress: "Progress | None" = None,
) -> "ServerSink":
    """Returns the sink that delivers to the server that the settings name.

    Args:
        settings: Where to, and how.
        counters: Where points are counted.
        client: An `InfluxDBClient` of the app's own, or None.
        clock: The machine's clocks.
        progress: Remembers what was sent of the segments of others; None where this process sees to its own.

    Raises:
        SettingsError: They name none.
        MissingDependencyError: A library is not installed that it needs.
    """
    rejects: Rejects = LoggedDeadLetters()
    if not settings.in_memory:
        rejects = DeadLetterFiles(StateDir(settings.state_path).rejected, identity_of(settings), clock)
    if settings.sink == names.SINK_OTLP:
        from otel_job_measure.delivery.otlp.sink import OtlpSink  # noqa: PLC0415 - only where points are delivered

        return OtlpSink(settings, counters, rejects, clock=clock, progress=progress)
    from otel_job_measure.delivery.influxdb.sink import InfluxSink  # noqa: PLC0415 - the same

    return InfluxSink(settings, counters, rejects, client=client, clock=clock, progress=progress)


def _server_or_stand_in(
    settings: Settings, counters: Counters, *, client: object, clock: Clock
) -> "ServerSink | Unavailable | None":
    """Returns the sink that delivers to a server; None where there is none."""
    if settings.destination is None:
        return None
    try:
        return server_sink(settings, counters, client=client, clock=clock)
    except (SettingsError, MissingDependencyError):
        raise
    except Exception as error:  # noqa: BLE001 - a job may be running already, and its points can be sent by others
        words = f"this process cannot load what delivers: {type(error).__name__}: {error}"
        return Unavailable(settings.sink, words)


def history_sink(settings: Settings, *, clock: Clock, alone: bool = False) -> Sink | None:
    """Returns the sink that keeps runs in the local history; None where there is none.

    Args:
        settings: Where it is.
        clock: The machine's clocks.
        alone: Whether this is a process without jobs, where a transaction can take its time.
    """
    if not settings.history or settings.in_memory:
        return None
    from otel_job_measure.history.history import History  # noqa: PLC0415 - only where there is one
    from otel_job_measure.history.ingest import ALONE, BESIDE_JOBS  # noqa: PLC0415 - the same
    from otel_job_measure.history.sink import HistorySink  # noqa: PLC0415 - the same

    path, pace = StateDir(settings.state_path).history, ALONE if alone else BESIDE_JOBS
    history = History(path, retention_s=settings.retention_s, clock=clock, pace=pace)
    return HistorySink(history, clock=clock)
