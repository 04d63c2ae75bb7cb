"""Reads OpenTelemetry's standard variables without the SDK."""

import os
from typing import Final

from otel_job_measure.errors import MissingDependencyError

TRACEPARENT: Final = "TRACEPARENT"
TRACESTATE: Final = "TRACESTATE"

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP: Final = "http/protobuf"
_GRPC: Final = "grpc"
# The values of OTEL_TRACES_EXPORTER with the protocol that each means; None leaves it to the variables.
_EXPORTERS: Final = {"otlp": None, "otlp_proto_http": _HTTP, "otlp_proto_grpc": _GRPC}
_INSTALL: Final = {
    _HTTP: "pip install 'otel-job-measure[otlp]'",
    _GRPC: "pip install opentelemetry-exporter-otlp-proto-grpc",
}


def exporter_module() -> str | None:
    """Returns the module of the exporter that the environment asks for; raises if that is not installed."""
    wanted = [name.strip() for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(",")]
    known = [name for name in wanted if name in _EXPORTERS]
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or not known or not _first(_ENDPOINTS):
        return None
    protocol = _EXPORTERS[known[0]] or _first(_PROTOCOLS) or _HTTP
    if protocol not in _INSTALL:
        raise MissingDependencyError(f"no exporter has the protocol {protocol!a}; use {_HTTP}")
    from importlib.util import find_spec  # noqa: PLC0415 - only for a span

    module = f"opentelemetry.exporter.otlp.proto.{protocol.partition('/')[0]}"
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise MissingDependencyError(f"the exporter for {protocol} is not installed: {_INSTALL[protocol]}")
    return f"{module}.trace_exporter"


def resource() -> dict[str, str]:
    """Returns the resource attributes that the environment gives, as the SDK reads them."""
    attributes: dict[str, str] = {}
    for item in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, equals, value = item.partition("=")
        if equals and name.strip():
            from urllib.parse import unquote  # noqa: PLC0415 - rarely needed

            attributes[name.strip()] = unquote(value.strip())
    if service := os.environ.get("OTEL_SERVICE_NAME"):
        attributes["service.name"] = service
    return attributes


def _first(names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")
