"""The same as `Health`, as metrics of OpenTelemetry.

The API has no way back from a callback, and an instrument that is made a second time keeps its first callbacks. So
there is one set of instruments a provider for the life of the process, and it sums up whoever is registered.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from opentelemetry import metrics

from otel_job_measure import names
from otel_job_measure.delivery.health import Health
from otel_job_measure.forks import fork_gate

_UNIT: Final = "{point}"
_CAUSE: Final = "cause"

Tell = Callable[[], Health]


def register(tell: Tell, meter_provider: metrics.MeterProvider | None = None) -> Callable[[], None]:
    """Lets metrics tell of the delivery of some points.

    Args:
        tell: Gives the present state; it must be cheap, and is called on threads of the app's metric readers.
        meter_provider: Where the metrics go; None for the global one, also where it is set later.

    Returns:
        What ends it; the counts so far stay in the metrics' sums.
    """
    provider = metrics.get_meter_provider() if meter_provider is None else meter_provider
    with fork_gate():  # it is a lock, and one that no fork leaves held
        points = _by_provider.get(provider)
        if points is None:
            points = _by_provider[provider] = _Points(provider)
    points.add(tell)
    return lambda: points.remove(tell)


class _Points:
    """The instruments of one provider."""

    def __init__(self, provider: metrics.MeterProvider) -> None:
        self._tellers: tuple[Tell, ...] = ()
        self._gone: Counter[str] = Counter()
        self._gone_dropped: Counter[str] = Counter()
        meter = provider.get_meter(names.SCOPE)
        for name, words in (
            ("delivered", "Points that the server has taken."),
            ("rejected", "Points that the server refused for good."),
            ("expired", "Points that were older than the bucket's retention."),
        ):
            meter.create_observable_counter(
                names.METRIC_PREFIX + name, [self._summing(name)], unit=_UNIT, description=words
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

    def remove(self, tell: Tell) -> None:
        if tell not in self._tellers:
            return
        last = tell()
        for name in ("delivered", "rejected", "expired"):
            self._gone[name] += getattr(last, name)
        self._gone_dropped.update(last.dropped)
        self._tellers = tuple(other for other in self._tellers if other is not tell)

    def _summing(self, name: str) -> Callable[[metrics.CallbackOptions], Iterator[metrics.Observation]]:
        def observe(_options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
            yield metrics.Observation(self._gone[name] + sum(getattr(tell(), name) for tell in self._tellers))

        return observe

    def _dropped(self, _options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        dropped = Counter(self._gone_dropped)
        for tell in self._tellers:
            dropped.update(tell().dropped)
        for cause, points in dropped.items():
            yield metrics.Observation(points, {_CAUSE: cause})

    def _pending(self, _options: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        yield metrics.Observation(sum(tell().pending for tell in self._tellers))


_by_provider: "weakref.WeakKeyDictionary[metrics.MeterProvider, _Points]" = weakref.WeakKeyDictionary()
