"""The engines of this process: a journal belongs to a process, a state directory and a destination."""

from functools import partial
from typing import TYPE_CHECKING, Final

from otel_job_measure.delivery.health import Health, health_of
from otel_job_measure.delivery.metrics import register
from otel_job_measure.runtime.engine import Engine
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_engines: Final[dict[tuple[object, ...], Engine]] = {}


def engine_for(settings: Settings, *, client: object = None, meter_provider: "MeterProvider | None" = None) -> Engine:
    """Returns the engine of these settings' state directory and destination, made at the first call.

    Args:
        settings: Where to; those of the first caller decide how.
        client: An `InfluxDBClient` of the app's own, or None.
        meter_provider: Where its metrics go, as the first caller has it; None for the global one.

    Returns:
        The engine.
    """
    if settings.disabled:
        return Engine(settings)
    place: object = settings.state_dir
    key = (place, settings.destination_id, settings.ship, id(client))
    found = _engines.get(key)
    if found is None:
        # Two threads may come here at once; nothing has been taken yet, and one of the two engines is kept.
        made = Engine(settings, client=client)
        found = _engines.setdefault(key, made)
        if found is made:
            register(partial(health, made), meter_provider)
    return found


def health(engine: Engine) -> Health:
    """Returns what this process knows of the delivery of an engine's points.

    Args:
        engine: The engine.
    """
    shipping = engine.shipping
    return health_of(engine.counters) if shipping is None else shipping.health()
