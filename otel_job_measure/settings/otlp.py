"""What the standard variables of OTLP exporters say of a receiver."""

import re
from functools import partial
from typing import Final

from otel_job_measure.forks import fork_gate
from otel_job_measure.settings.destination import GRPC, OtlpDestination, endpoint

_DEFAULT_HTTP: Final = "http://localhost:4318"
_DEFAULT_GRPC: Final = "http://localhost:4317"
_LOGS: Final = "/v1/logs"
_SCHEME_END: Final = "://"
# Compiled when it is first needed: most processes never do, and `exec` stands before every line of a crontab.
_is_name = partial(re.fullmatch, r"[a-z0-9_.-]+")
# What a value of bytes, and what gRPC itself, have for names.
_is_grpcs = partial(re.fullmatch, r"grpc-.*|.*-bin")


def destination_of(base: str | None, logs: str | None, protocol: str, *, insecure: bool) -> OtlpDestination:
    """Finds out where logs go.

    Args:
        base: The endpoint of all signals; None for the standard's default.
        logs: The endpoint of logs, which goes first.
        protocol: `http/protobuf` or `grpc`.
        insecure: Whether host and port alone mean a connection without TLS.

    Returns:
        The receiver.

    Raises:
        UrlError: An endpoint is no URL.
    """
    if protocol == GRPC:
        given = logs or base or _DEFAULT_GRPC
        url = given if _SCHEME_END in given else f"{'http' if insecure else 'https'}{_SCHEME_END}{given}"
        scheme, _, rest = endpoint(url).partition(_SCHEME_END)
        return OtlpDestination(endpoint=f"{scheme}{_SCHEME_END}{rest.partition('/')[0]}", protocol=protocol)
    url = endpoint(logs) if logs else endpoint(base or _DEFAULT_HTTP).rstrip("/") + _LOGS
    return OtlpDestination(endpoint=url, protocol=protocol)


def headers_of(text: str) -> dict[str, str] | None:
    """Reads headers as the standard writes them.

    Args:
        text: `name=value` pairs with commas between them; values are encoded as in a URL.

    Returns:
        The headers, their names in small letters; None where something else stands there.
    """
    with fork_gate():
        from urllib.parse import unquote  # noqa: PLC0415 - as for a URL
    headers: dict[str, str] = {}
    for item in filter(str.strip, text.split(",")):
        name, equals, encoded = item.partition("=")
        name, value = name.strip().lower(), unquote(encoded).strip()
        if not (equals and _is_name(name) and value.isascii() and value.isprintable()) or _is_grpcs(name):
            return None
        headers[name] = value
    return headers
