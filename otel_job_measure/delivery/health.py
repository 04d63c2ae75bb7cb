"""The state of a process's delivery: `Health`, and the same as OpenTelemetry metrics.

OpenTelemetry has no way to remove a callback, and an instrument that is created twice keeps its first callbacks. So
each provider gets one set of instruments for the life of the process, and it sums up everything registered.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakValueDictionary

from opentelemetry import metrics

from otel_job_measure import names
from otel_job_measure.forks import fork_gate
from otel_job_measure.journal.counters import Counters

if TYPE_CHECKING:
    from otel_job_measure.delivery.server_sink import ServerSink
    from otel_job_measure.delivery.shipper import Shipper

_UNIT: Final = "{point}"
_CAUSE: Final = "cause"
_COUNTED: Final = {
    "delivered": "Points that the server accepted.",
    "rejected": "Points that the server refused for good.",
    "expired": "Points that were older than the bucket's retention.",
}


class Health(NamedTuple):
    """The delivery of one process's points at one moment; counts are in points, since the process began."""

    reachable: bool | None = None
    """Whether the server (InfluxDB, or an OTLP receiver) answered the last request; None before the first request,
    or without a server."""
    last_success: datetime | None = None
    """The time at which it last accepted points, in UTC."""
    delivered: int = 0
    """Points that it accepted, including points of dead processes."""
    pending: int = 0
    """Points that are not there yet, and those that could not be written and wait in memory."""
    rejected: int = 0
    """Points that it refused for good."""
    expired: int = 0
    """Points that were older than the bucket's retention."""
    dropped: Mapping[str, int] = MappingProxyType({})
    """Points that were given up, by cause: `max_bytes`, `memory`, …"""
    oldest_pending_s: float | None = None
    """The age of the oldest pending point, in seconds; None if there is none."""
    server: str | None = None
    """The server's name and version, such as `InfluxDB 2.7.12`, by its last answer; None if it does not say."""


def health_of(
    counters: Counters, shipper: "Shipper | None" = None, server: "ServerSink | None" = None, *, waiting: int = 0
) -> Health:
    """Returns the present state; without a shipper, only points that are `waiting` to be written are pending."""
    counts = counters.now()
    success_ns = None if server is None else server.last_success_ns
    return Health(
        reachable=None if server is None else server.reachable,
        last_success=None if success_ns is None else datetime.fromtimestamp(success_ns / 1e9, UTC),
        delivered=counts.delivered,
        pending=waiting + (0 if shipper is None else shipper.pending),
        rejected=counts.rejected,
        expired=counts.expired,
        dropped=counts.dropped,
        oldest_pending_s=None if shipper is None else shipper.oldest_pending_s(),
        server=None if server is None else server.server,
    )


Tell = Callable[[], Health]


def register(tell: Tell, meter_provider: metrics.MeterProvider | None = None) -> None:
    """Reports a `Health` as metrics, of the global provider by default.

    `tell` is called on threads of the app's metric readers and must be cheap.
    """
    provider = metrics.get_meter_provider() if meter_provider is None else meter_provider
    with fork_gate():  # it is a lock, and one that no fork leaves held
        points = _by_provider.get(id(provider))
        if points is None or points.provider is not provider:
            points = _by_provider[id(provider)] = _Points(provider)
    points.add(tell)


class _Points:
    """The instruments of one provider."""

    def __init__(self, provider: metrics.MeterProvider) -> None:
        self.provider = provider
        self._tellers: tuple[Tell, ...] = ()
        meter = provider.get_meter(names.SCOPE)
        for name, text in _COUNTED.items():
            meter.create_observable_counter(
                names.METRIC_PREFIX + name, [self._summing(name)], unit=_UNIT, description=text
            )
        meter.create_observable_counter(
            f"{names.METRIC_PREFIX}dropped", [self._dropped], unit=_UNIT, description="Points that were given up."
        )
        meter.create_observable_up_down_counter(
            f"{names.METRIC_PREFIX}pending",
            [self._pending],
            unit=_UNIT,
            description="Points that are on their way to the server.",
        )

    def add(self, tell: Tell) -> None:
        self._tellers = (*self._tellers, tell)

    def _summing(self, name: str) -> Callable[[metrics.CallbackOptions], Iterator[metrics.Observation]]:
        def observe(_options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            yield metrics.Observation(sum(getattr(tell(), name) for tell in self._tellers))

        return observe

    def _dropped(self, _options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        dropped: Counter[str] = Counter()
        for tell in self._tellers:
            dropped.update(tell().dropped)
        for cause, points in dropped.items():
            yield metrics.Observation(points, {_CAUSE: cause})

    def _pending(self, _options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        yield metrics.Observation(sum(tell().pending for tell in self._tellers))


# By the identity of the provider: it may have no hash and no weak references. Its instruments keep the points alive.
_by_provider: "WeakValueDictionary[int, _Points]" = WeakValueDictionary()
