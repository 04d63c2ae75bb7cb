"""What an answer means that is no answer to a question, and what to set."""

import json
from http import HTTPStatus
from typing import Final, cast

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.advice import Server, server_of
from otel_job_measure.delivery.influxdb.responses import Masked, Response, said, without_secrets

_READ: Final = f"{names.ENV_PREFIX}READ_TOKEN"
_TOKENS: Final = f"{_READ}, or {names.ENV_INFLUXDB_TOKEN} if that is not set,"
_MISSING: Final = ("could not find bucket", "database not found", "failed to initialize execute state: could not find")


def refusal(response: Response, bucket: str, masked: Masked) -> str:
    """Returns what an answer says, and what to set."""
    server = server_of(response.headers)
    text = masked(_text(response.body))
    message = said(server.title, response.status, text)
    if 300 <= response.status < 400:  # noqa: PLR2004 - the class of redirects
        where = masked(without_secrets(response.headers.get("location", "")))
        advice = f"set {names.ENV_INFLUXDB_URL} to the server itself: redirects, here to {where!r}, are not followed"
    else:
        advice = _advice(response.status, text.lower(), server, bucket)
    return f"{message}; {advice}" if advice else message


def _advice(status: int, lower: str, server: Server, bucket: str) -> str:
    if any(words in lower for words in _MISSING):
        may_read = "the user" if server.generation == 1 else f"the token of {_READ}"
        return (
            f"the server has no {bucket!r} ({names.ENV_INFLUXDB_BUCKET}), or {may_read} may not read it: a token for"
            " writing often may not read"
        )
    if status == HTTPStatus.UNAUTHORIZED:
        user = f" or {names.ENV_INFLUXDB_USERNAME} and {names.ENV_INFLUXDB_PASSWORD}," if server.generation == 1 else ""
        return f"set {_TOKENS}{user} to one that the server knows"
    if status == HTTPStatus.FORBIDDEN:
        return f"let the token of {_TOKENS} read {names.ENV_INFLUXDB_BUCKET}, or set another"
    if status == HTTPStatus.BAD_REQUEST and "organization name" in lower:
        return f"set {names.ENV_INFLUXDB_ORG} to an organization that the server has"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        org = f"{names.ENV_INFLUXDB_ORG} to an organization that the server has, and " if "org" in lower else ""
        return f"set {org}{names.ENV_INFLUXDB_URL} to the address of an InfluxDB server"
    return ""


def _text(body: bytes) -> str:
    """Returns the words of an answer: of its JSON, or all of it."""
    text = body.decode(errors="replace")
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    found = cast("dict[str, object]", content) if isinstance(content, dict) else {}
    words = (found.get(key) for key in ("message", "error"))
    return next((each for each in words if isinstance(each, str) and each), text)
