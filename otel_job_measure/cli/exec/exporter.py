"""The exporter of the span of `exec`. A hostile collector can neither fill the memory nor have a secret printed."""

import io
import os
from collections.abc import Iterator
from typing import Any, Final, cast
from urllib.parse import unquote

from opentelemetry.sdk.trace.export import SpanExporter

from otel_job_measure.delivery import echoes
from otel_job_measure.delivery.influxdb.responses import short
from otel_job_measure.settings.secret import mask

_MOST_BODY: Final = 64 * 1024
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
_URLS: Final = ("endpoint", "proxy")


def made(module: str) -> SpanExporter:
    """Returns the exporter of a module, which this imports."""
    # Each import is a statement, because tools that freeze an app follow no computed name.
    if ".grpc." in module:
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as over_grpc  # noqa: PLC0415 - see `load`

        return over_grpc.OTLPSpanExporter()
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as over_http  # noqa: PLC0415 - see `load`

    if any(name.endswith("_CREDENTIAL_PROVIDER") for name in os.environ):  # the user's own session
        return over_http.OTLPSpanExporter()
    return over_http.OTLPSpanExporter(session=bounded_session())


def bounded_session() -> Any:  # noqa: ANN401 - a class of requests
    """Returns a session of requests that follows no redirect, and reads the beginning of an answer as it is."""
    import requests  # noqa: PLC0415 - the exporter has it

    library = cast("Any", requests)
    session = library.Session()
    session.max_redirects = 0  # the exporter would follow a redirect, and take its headers along
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Bounded(library.adapters.HTTPAdapter()))
    return session


class _Bounded:
    """An adapter of requests: an answer without an end, or compressed many times, costs a bounded memory."""

    def __init__(self, adapter: Any) -> None:  # noqa: ANN401 - a class of requests
        self._adapter = adapter

    def send(self, *request: Any, **how: Any) -> Any:  # noqa: ANN401 - the library's
        """Sends a request."""
        answer = self._adapter.send(*request, **how | {"stream": True})
        beginning = answer.raw.read(_MOST_BODY, decode_content=False)
        answer.raw.close()
        answer.raw = io.BytesIO(beginning)
        return answer

    def close(self) -> None:
        """Closes the connections."""
        self._adapter.close()


def shown(words: str) -> str:
    """Returns what an exporter says on one short line: a collector or a proxy can repeat what it was sent."""
    return short(mask(words, (form for secret in _secrets() if secret for form in echoes.forms(secret))))


def _secrets() -> Iterator[str]:
    for name, value in os.environ.items():
        if name in _HEADERS:
            for pair in value.split(","):
                yield from echoes.of_header(unquote(pair.partition("=")[2]))
        elif name.lower().endswith(_URLS):
            yield from echoes.of_proxy(value)
