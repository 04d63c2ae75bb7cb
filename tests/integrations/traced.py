"""What the apps of the conformance suite trace with."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON


def trace_as(tracing: str) -> None:
    """Has the app trace."""
    if tracing != "none":
        sampler = ALWAYS_ON if tracing == "sampled" else ALWAYS_OFF
        trace.set_tracer_provider(TracerProvider(sampler=sampler, shutdown_on_exit=False))
