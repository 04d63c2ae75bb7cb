"""The engines of this process: a journal belongs to a process, a state directory and a destination."""

from functools import partial
from typing import TYPE_CHECKING, Final

from otel_job_measure.delivery.health import Health, health_of
from otel_job_measure.delivery.metrics import register
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_engines: Final[dict[tuple[object, ...], Pipeline]] = {}


def pipeline_for(
    settings: Settings, *, client: object = None, meter_provider: "MeterProvider | None" = None
) -> Pipeline:
    """Returns the pipeline of these settings' state directory and destination, made at the first call.

    Args:
        settings: Where to; those of the first caller decide how.
        client: An `InfluxDBClient` of the app's own, or None.
        meter_provider: Where its metrics go, as the first caller has it; None for the global one.

    Returns:
        The pipeline.
    """
    if settings.disabled:
        return Pipeline(settings)
    place: object = settings.state_dir
    key = (place, settings.destination_id, settings.ship, id(client))
    found = _engines.get(key)
    if found is None:
        # Two threads may come here at once; nothing has been taken yet, and one of the two engines is kept.
        made = Pipeline(settings, client=client)
        found = _engines.setdefault(key, made)
        if found is made:
            register(partial(health, made), meter_provider)
    return found


def health(pipeline: Pipeline) -> Health:
    """Returns what this process knows of the delivery of a pipeline's points.

    Args:
        pipeline: The pipeline.
    """
    shipping = pipeline.shipping
    return health_of(pipeline.counters) if shipping is None else shipping.health()
