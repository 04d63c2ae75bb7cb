"""The meaning of InfluxDB's answer to a write, as a pure function of its status, headers and body.

Only 204 says that points were kept: a login page comes with 200, a queue in front of the server answers 202.
"""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import urlsplit

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.advice import UNKNOWN, Server, advice_for, server_of
from otel_job_measure.delivery.influxdb.words import Clues, Meaning, clues_in, meaning_of

OTHER_TIME: Final[tuple[str, ...]] = ("certificate has expired", "certificate is not yet valid")
RENEW: Final = "renew the server's certificate, or set this machine's clock"
_MOST_CHARS: Final = 300
_MOST_READ: Final = 64 * 1024
_MOST_BODY: Final = 4 * 1024 * 1024
# A tag inside another one ends the search, so that time stays in proportion to the text.
_markup = re.compile(
    r"<(script|style)\b[^<]*+(?:<(?!/?\1\b)[^<]*+)*+</\1\s*+>|<[^<>]*+>",
    re.IGNORECASE,
).sub
_LATER: Final = frozenset(
    {
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
_OF_THE_REQUEST: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
)


class Kind(Enum):
    """The state of the lines of a write."""

    DELIVERED = "delivered"
    """The server has them all."""
    LINES = "lines"
    """It refuses some lines, or all, and kept the others or none. The clues can tell which lines."""
    EXPIRED = "expired"
    """It refuses the lines that are older than a bound."""
    UNKNOWN = "unknown"
    """It kept none, or some, for a reason that only it knows: lines or the request can be at fault."""
    PARTIAL = "partial"
    """It kept all but some, does not say which, and would store the others twice."""
    TOO_LARGE = "too large"
    """It, or a proxy before it, takes no body of this size."""
    HOLD = "hold"
    """It kept none. Blocked until the configuration changes."""
    RETRY = "retry"
    """It may have kept them or not: send them again later."""
    MORE = "more"
    """A part of the lines is settled: send the rest at once. No answer means this; only a batch does."""
    REFUSED = "refused"
    """Every line that is left was refused for an unknown reason. No answer means this; only a batch does."""


class NoAnswer(Exception):  # noqa: N818 - not an error of the program: the server did not answer
    """The server did not answer; the message says why. With `hold` the configuration has to change first."""

    def __init__(self, message: str, *, hold: bool) -> None:
        super().__init__(message)
        self.hold = hold


NO_CLUES: Final = Clues()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP answer; the names of its headers in small letters."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The meaning of an answer, or of its absence."""

    kind: Kind
    message: str = ""
    """The answer as text, for a log or a dead letter, and what to set."""
    advice: str = ""
    """What to set if every line is refused for an unknown reason."""
    clues: Clues = NO_CLUES
    """What the answer tells of the lines that it refuses."""
    wait_s: float | None = None
    """The wait that the server asked for, in seconds."""
    reached: bool | None = True
    """Whether the answer can be the server's own; None if no request was sent."""
    refused: int = 0
    """The number of refused lines, if the server does not say which."""
    server: Server = UNKNOWN
    """The server that answered."""


Masked = Callable[[str], str]


def judge(response: Response, *, now_s: float, masked: Masked = str, known: Server = UNKNOWN) -> Verdict:
    """Returns the meaning of InfluxDB's answer to a write, with the secrets `masked` that the server repeats.

    `known` is the server that answered before: a proxy's answer does not say which server is behind it.
    """
    status = response.status
    told = server_of(response.headers)
    if status == HTTPStatus.NO_CONTENT:
        return Verdict(kind=Kind.DELIVERED, server=told)
    server = told if told.generation else known
    text, data = _words(response.body)
    message = said(masked(told.title), status, masked(text[:_MOST_READ]))
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict(kind=Kind.TOO_LARGE, message=message, server=server)
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        where = masked(without_secrets(response.headers.get("location", "")))
        advice = f"set {names.ENV_INFLUXDB_URL} to the server itself: redirects, here to {where!r}, are not followed"
        return Verdict(kind=Kind.HOLD, message=f"{message}; {advice}", reached=False, server=server)
    kind = _kind(status, text)
    if kind is Kind.RETRY:
        wait_s, reached = retry_after_s(response.headers, now_s), 400 <= status < 500  # noqa: PLR2004 - client errors
        return Verdict(kind=kind, message=message, wait_s=wait_s, reached=reached, server=server)
    advice = masked(advice_for(status, text, server))
    if kind is Kind.HOLD:
        return Verdict(kind=kind, message=f"{message}; {advice}", server=server)
    clues = NO_CLUES if kind is Kind.UNKNOWN else clues_in(text, data)
    return Verdict(kind=kind, message=message, advice=advice, clues=clues, server=server)


def _kind(status: int, text: str) -> Kind:
    """Returns the state of the lines after an error, by its status and its words."""
    meaning = meaning_of(text)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and meaning is Meaning.REQUEST:
        return Kind.HOLD  # 1.x: a retention policy that is missing
    if not 400 <= status < 500 or status in _LATER:  # noqa: PLR2004 - the class of client errors
        return Kind.RETRY
    if meaning is Meaning.EXPIRED:
        return Kind.EXPIRED
    if status in _OF_THE_REQUEST and not (status == HTTPStatus.FORBIDDEN and _is_page(text)):
        return Kind.HOLD
    if meaning is Meaning.REQUEST:
        return Kind.HOLD
    return Kind.UNKNOWN if meaning is None else Kind.LINES


def _is_page(text: str) -> bool:
    """Returns whether a text is a page: a firewall's, which can dislike a single line."""
    return text.lstrip()[:1] == "<"


def short(text: str) -> str:
    """Returns a text on one line, without markup, short enough for a log."""
    line = " ".join(_markup(" ", text[: 50 * _MOST_CHARS]).split())
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return line if len(line) <= _MOST_CHARS else f"{line[:_MOST_CHARS]}…"


def _words(body: bytes) -> tuple[str, object]:
    """Returns an answer's text, and the list of lines that version 3 can add to it."""
    text = _plain(body).decode(errors="replace")
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError):
        return text, None
    if not isinstance(content, dict):
        return text, None
    found = cast("dict[str, object]", content)
    words = (found.get(key) for key in ("message", "error"))
    return next((each for each in words if isinstance(each, str) and each), text), found.get("data")


def _plain(body: bytes) -> bytes:
    """Returns a body without its gzip: some servers compress without being asked."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return zlib.decompressobj(31).decompress(body, _MOST_BODY)
    except zlib.error:
        return body


def said(server: str, status: int, text: str) -> str:
    """Returns an answer as one line of text."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    more = short(text)
    return f"{server} answered {status}{phrase}" + (f": {more}" if more else "")


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Returns the seconds that a Retry-After asks for; `now_s` counts if the answer has no date of its own."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        wait_s = float(value[:9])
    else:
        at, sent = _date_s(value), _date_s(headers.get("date", ""))
        # The server's own clock says best how far away its date is.
        wait_s = 0.0 if at is None else at - (now_s if sent is None else sent)
    return wait_s if wait_s > 0 else None


def _date_s(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def without_secrets(url: str) -> str:
    """Returns a URL without user, password and query."""
    try:
        parts = urlsplit(url)
        return short(f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path)
    except ValueError:
        return ""
