"""OpenTelemetry's global state, as it is in a new process."""

from opentelemetry import trace
from opentelemetry.metrics import _internal as metrics
from opentelemetry.util._once import Once


def forget_global_providers() -> None:
    """Empties the global slots of the tracer and the meter provider.

    The API lets each be set once a process and has no public way back: this is the only place that needs its
    private names.
    """
    trace._TRACER_PROVIDER = None
    trace._TRACER_PROVIDER_SET_ONCE = Once()
    metrics._METER_PROVIDER = None
    metrics._METER_PROVIDER_SET_ONCE = Once()
    # It keeps every meter it gave out, to hand them to the provider that is set one day.
    metrics._PROXY_METER_PROVIDER = metrics._ProxyMeterProvider()
