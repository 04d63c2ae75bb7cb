"""What InfluxDB's answer to a write means, as a pure function of its status, headers and body.

Only 204 says that points were kept: a login page comes with 200, a queue in front of the server says 202.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from otel_job_measure import names

_MOST_WORDS: Final = 300
_UNPARSABLE: Final = "unable to parse '"
_EXPIRED: Final = "outside retention policy"
_find_bound = re.compile(r"Lower Bound at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)").search
_names_org = re.compile(r"\borg(id|anization)?\b").search
_markup = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL).sub
_SERVER_VARIABLES: Final = (names.ENV_INFLUXDB_URL, names.ENV_INFLUXDB_ORG, names.ENV_INFLUXDB_BUCKET)


class Kind(Enum):
    """What to do with the lines of a write."""

    DELIVERED = "delivered"
    """The server has them all."""
    UNPARSABLE = "unparsable"
    """It kept none; its body quotes those that it cannot read."""
    EXPIRED = "expired"
    """It kept those that are not older than a bound."""
    REFUSED = "refused"
    """It kept all but some, and does not say which."""
    PARTIAL = "partial"
    """It kept all but some, does not say which, and would keep the others twice."""
    TOO_LARGE = "too large"
    """It, or a proxy before it, takes no body of this size."""
    HOLD = "hold"
    """It kept none, and somebody has to set something first."""
    RETRY = "retry"
    """It may have kept them or not: they have to be sent again later."""


class NoAnswer(Exception):  # noqa: N818 - said by whoever sends, about a server
    """There was no answer; the message says why, and what to set.

    Args:
        words: Why.
        hold: Whether somebody has to set something first.
    """

    def __init__(self, words: str, *, hold: bool) -> None:
        super().__init__(words)
        self.hold = hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP answer; the names of its headers in small letters."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer, or the lack of one, means.

    Args:
        kind: What to do with the lines.
        words: What came, in words for a log or beside a rejected line, and what to set.
        blamed: What follows `unable to parse '` for each unreadable line: the line, `': ` and the reason.
        bound_ns: Lines older than this are outside the bucket's retention, in ns since 1970; None where unknown.
        wait_s: How long the server asked to wait, in seconds; None where it did not.
        reached: Whether the answer can have come from the server itself; None where it was not asked.
        refused: How many lines a server refused that does not say which.
    """

    kind: Kind
    words: str = ""
    blamed: tuple[str, ...] = ()
    bound_ns: int | None = None
    wait_s: float | None = None
    reached: bool | None = True
    refused: int = 0


def judge(response: Response, *, now_s: float) -> Verdict:
    """Says what the answer to a write means.

    Args:
        response: The answer.
        now_s: The time in seconds since 1970, for a Retry-After with a date where the answer has no date of its own.

    Returns:
        What to do with the lines that were sent.
    """
    status = response.status
    if status == HTTPStatus.NO_CONTENT:
        return Verdict(kind=Kind.DELIVERED)
    message = _message(response.body)
    words = said("InfluxDB", status, message)
    if status == HTTPStatus.BAD_REQUEST and _UNPARSABLE in message:
        return Verdict(kind=Kind.UNPARSABLE, words=words, blamed=_blamed(message))
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        kind = Kind.EXPIRED if _EXPIRED in message else Kind.REFUSED
        return Verdict(kind=kind, words=words, bound_ns=_bound_ns(message) if kind is Kind.EXPIRED else None)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict(kind=Kind.TOO_LARGE, words=words)
    redirected = 300 <= status < 400  # noqa: PLR2004 - the class of redirects
    if redirected or status in _ADVICE:
        words = f"{words}; {_advice(response, message)}"
        return Verdict(kind=Kind.HOLD, words=words, reached=not redirected)
    wait_s = retry_after_s(response.headers, now_s)
    client_error = 400 <= status < 500  # noqa: PLR2004 - the class of client errors
    return Verdict(kind=Kind.RETRY, words=words, wait_s=wait_s, reached=client_error)


def short(text: str) -> str:
    """Returns a text on one line, without markup, short enough for a log."""
    line = " ".join(_markup(" ", text[: 50 * _MOST_WORDS]).split())
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    return line if len(line) <= _MOST_WORDS else f"{line[:_MOST_WORDS]}…"


def _message(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        content = json.loads(text)
        return str(content["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return text


def said(who: str, status: int, message: str) -> str:
    """Returns an answer in words.

    Args:
        who: The server, at the beginning of a sentence.
        status: The answer's status.
        message: What it says besides.
    """
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    more = short(message)
    return f"{who} answered {status}{phrase}" + (f": {more}" if more else "")


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
    """Reads a Retry-After.

    Args:
        headers: The answer's, their names in small letters.
        now_s: The time in seconds since 1970, where the answer has no date of its own.

    Returns:
        How long to wait, in seconds; None where nothing is asked for.
    """
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


def _advice(response: Response, message: str) -> str:
    status, lower = response.status, message.lower()
    if status not in _ADVICE:
        where = without_secrets(response.headers.get("location", ""))
        return f"set {names.ENV_INFLUXDB_URL} to the server itself: redirects, here to {where!r}, are not followed"
    if "https server" in lower:
        return f"let {names.ENV_INFLUXDB_URL} begin with https://"
    if status == HTTPStatus.NOT_FOUND and lower.startswith("bucket "):
        return f"make the bucket, or set {names.ENV_INFLUXDB_BUCKET} to one that the server has"
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND) and _names_org(lower):
        return f"set {names.ENV_INFLUXDB_ORG} to an organization that the server has"
    return _ADVICE[status]


def without_secrets(url: str) -> str:
    """Returns a URL without what can be secret in it: user, password and query.

    Args:
        url: Any text.
    """
    try:
        parts = urlsplit(url)
        return short(f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path)
    except ValueError:
        return ""
