"""The meaning of InfluxDB's answer to a write, as a pure function of its status, headers and body.

Only 204 says that points were kept: a login page comes with 200, a queue in front of the server answers 202.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from otel_job_measure import names

_MOST_CHARS: Final = 300
_UNPARSABLE: Final = "unable to parse '"
_EXPIRED: Final = "outside retention policy"
_find_bound = re.compile(r"Lower Bound at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)").search
_names_org = re.compile(r"\borg(id|anization)?\b").search
_markup = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL).sub
_SERVER_VARIABLES: Final = (names.ENV_INFLUXDB_URL, names.ENV_INFLUXDB_ORG, names.ENV_INFLUXDB_BUCKET)


class Kind(Enum):
    """The state of the lines of a write."""

    DELIVERED = "delivered"
    """The server has them all."""
    UNPARSABLE = "unparsable"
    """It kept none; its body quotes the lines that it cannot read."""
    EXPIRED = "expired"
    """It kept the lines that are not older than a bound."""
    REFUSED = "refused"
    """It kept all but some, and does not say which."""
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


class NoAnswer(Exception):  # noqa: N818 - not an error of the program: the server did not answer
    """The server did not answer; the message says why. With `hold` the configuration has to change first."""

    def __init__(self, message: str, *, hold: bool) -> None:
        super().__init__(message)
        self.hold = hold


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
    blamed: tuple[str, ...] = ()
    """What follows `unable to parse '` for each unreadable line: the line, `': ` and the reason; secrets unmasked."""
    bound_ns: int | None = None
    """The start of the bucket's retention, in ns since 1970; None if unknown."""
    wait_s: float | None = None
    """The wait that the server asked for, in seconds."""
    reached: bool | None = True
    """Whether the answer can be the server's own; None if no request was sent."""
    refused: int = 0
    """The number of refused lines, if the server does not say which."""


Masked = Callable[[str], str]


def judge(response: Response, *, now_s: float, masked: Masked = str) -> Verdict:
    """Returns the meaning of InfluxDB's answer to a write; `masked` hides secrets that the server repeats."""
    status = response.status
    if status == HTTPStatus.NO_CONTENT:
        return Verdict(kind=Kind.DELIVERED)
    text = _message(response.body)
    message = said("InfluxDB", status, masked(text))
    if status == HTTPStatus.BAD_REQUEST and _UNPARSABLE in text:
        return Verdict(kind=Kind.UNPARSABLE, message=message, blamed=_blamed(text))
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        kind = Kind.EXPIRED if _EXPIRED in text else Kind.REFUSED
        return Verdict(kind=kind, message=message, bound_ns=_bound_ns(text) if kind is Kind.EXPIRED else None)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict(kind=Kind.TOO_LARGE, message=message)
    redirected = 300 <= status < 400  # noqa: PLR2004 - the class of redirects
    if redirected or status in _ADVICE:
        advice = _advice(status, text, masked(without_secrets(response.headers.get("location", ""))))
        return Verdict(kind=Kind.HOLD, message=f"{message}; {advice}", reached=not redirected)
    wait_s = retry_after_s(response.headers, now_s)
    client_error = 400 <= status < 500  # noqa: PLR2004 - the class of client errors
    return Verdict(kind=Kind.RETRY, message=message, wait_s=wait_s, reached=client_error)


def short(text: str) -> str:
    """Returns a text on one line, without markup, short enough for a log."""
    line = " ".join(_markup(" ", text[: 50 * _MOST_CHARS]).split())
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return line if len(line) <= _MOST_CHARS else f"{line[:_MOST_CHARS]}…"


def _message(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        content = json.loads(text)
        return str(content["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return text


def said(server: str, status: int, text: str) -> str:
    """Returns an answer as one line of text."""
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    more = short(text)
    return f"{server} answered {status}{phrase}" + (f": {more}" if more else "")


def _blamed(message: str) -> tuple[str, ...]:
    # A line has no newline in it, so this is the only place where one entry ends and the next begins.
    return tuple(message.partition(_UNPARSABLE)[2].split(f"\n{_UNPARSABLE}"))


def _bound_ns(message: str) -> int | None:
    found = _find_bound(message)
    if found is None:
        return None
    whole, fraction, zone = found.groups(default="")
    try:
        seconds = int(datetime.fromisoformat(whole + zone).timestamp())
    except ValueError:
        return None
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0"))


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


_ADVICE: Final[Mapping[int, str]] = {
    400: f"check {', '.join(_SERVER_VARIABLES)}",
    401: f"set {names.ENV_INFLUXDB_TOKEN} or {names.ENV_INFLUXDB_TOKEN_FILE} to a token that the server knows",
    403: f"let the token of {names.ENV_INFLUXDB_TOKEN} write to {names.ENV_INFLUXDB_BUCKET}, or set another",
    404: f"set {names.ENV_INFLUXDB_URL} to the address of an InfluxDB server",
    405: f"set {names.ENV_INFLUXDB_URL} to the address of an InfluxDB server",
}


def _advice(status: int, text: str, where: str) -> str:
    lower = text.lower()
    if status not in _ADVICE:
        return f"set {names.ENV_INFLUXDB_URL} to the server itself: redirects, here to {where!r}, are not followed"
    if "https server" in lower:
        return f"let {names.ENV_INFLUXDB_URL} begin with https://"
    if status == HTTPStatus.NOT_FOUND and lower.startswith("bucket "):
        return f"make the bucket, or set {names.ENV_INFLUXDB_BUCKET} to one that the server has"
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND) and _names_org(lower):
        return f"set {names.ENV_INFLUXDB_ORG} to an organization that the server has"
    return _ADVICE[status]


def without_secrets(url: str) -> str:
    """Returns a URL without user, password and query."""
    try:
        parts = urlsplit(url)
        return short(f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path)
    except ValueError:
        return ""
