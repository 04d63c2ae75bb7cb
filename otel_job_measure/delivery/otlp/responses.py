"""What the answers of a receiver of OTLP logs mean, as pure functions.

A success says that the receiver has the records, in its memory as a rule. What a partial success leaves out must not be
sent again, for the receiver would have the others twice. Anything else leaves the lines where they are.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.responses import (
    Kind,
    Response,
    Verdict,
    retry_after_s,
    said,
    short,
    without_secrets,
)

PROTOBUF: Final = "application/x-protobuf"
_WHO: Final = "the OTLP receiver"
_PROTOCOL: Final = f"{names.ENV_OTLP_PREFIX}PROTOCOL"
_ENDPOINT_ADVICE: Final = f"set {names.ENV_OTLP_ENDPOINT} to the address of a receiver of OTLP logs"
_HEADERS_ADVICE: Final = f"set {names.ENV_OTLP_HEADERS} to what the receiver asks for"
_TOO_LARGE: Final = "larger than max"
_NO_GZIP: Final = "grpc-encoding"
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
_NO_TRUST: Final = ("CERTIFICATE_VERIFY_FAILED", "peer certificate", "Hostname Verification")


def is_success(response: Response) -> bool:
    """Tells whether an HTTP answer is a success, partial perhaps, whose body is to be read.

    A login page comes with 200 too; some receivers answer 204, or 200 with nothing at all.
    """
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status == HTTPStatus.NO_CONTENT:
        return True
    return response.status == HTTPStatus.OK and (content_type == PROTOBUF or not (content_type or response.body))


def judge_success(sent: int, refused: int, message: str) -> Verdict:
    """Says what a success means.

    Args:
        sent: How many records were sent.
        refused: How many of them the receiver says it rejected.
        message: What it says besides.

    Returns:
        What to do with the lines that were sent.
    """
    if refused <= 0:
        words = f"{_WHO} took {sent} records and says: {short(message)}" if message else ""
        return Verdict(kind=Kind.DELIVERED, words=words)
    words = f"{_WHO} rejected {refused} of {sent} records, and does not say which: {short(message)}"
    return Verdict(kind=Kind.PARTIAL, words=words, refused=refused)


def no_success(status: str = "200") -> Verdict:
    """Says what it means that something answers, and not as a receiver does.

    Args:
        status: What it answered with.
    """
    return Verdict(
        kind=Kind.RETRY,
        words=f"{_WHO} answered {status} with what is no answer of OTLP; {_ENDPOINT_ADVICE}",
        reached=False,
    )


def judge_http(response: Response, message: str, *, now_s: float) -> Verdict:
    """Says what an HTTP answer means that is no success.

    Args:
        response: The answer.
        message: What it says, as text.
        now_s: The time in seconds since 1970, for a Retry-After with a date where the answer has no date of its own.

    Returns:
        What to do with the lines that were sent.
    """
    status = response.status
    if status == HTTPStatus.OK:
        return no_success()
    words = said(_WHO, status, message)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict(kind=Kind.TOO_LARGE, words=words)
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        where = without_secrets(response.headers.get("location", ""))
        return Verdict(
            kind=Kind.HOLD,
            words=f"{words}; {_ENDPOINT_ADVICE}: redirects, here to {where!r}, are not followed",
            reached=False,
        )
    client_error = 400 <= status < 500  # noqa: PLR2004 - the class of client errors
    if client_error and status not in _LATER:
        return Verdict(kind=Kind.HOLD, words=f"{words}; {_HTTP_ADVICE.get(status, _ENDPOINT_ADVICE)}")
    return Verdict(kind=Kind.RETRY, words=words, wait_s=retry_after_s(response.headers, now_s), reached=client_error)


def judge_grpc(code: str, details: str, *, wait_s: float | None) -> Verdict:
    """Says what a gRPC status means that is not OK.

    Args:
        code: The status, by its name.
        details: What it says.
        wait_s: How long its RetryInfo asks to wait, in seconds; None where it has none.

    Returns:
        What to do with the lines that were sent.
    """
    # The library says UNAVAILABLE too, of a receiver that cannot be reached.
    words = f"{_WHO} {'is' if code == 'UNAVAILABLE' else 'answered'} {code}" + (
        f": {short(details)}" if details else ""
    )
    if code == "RESOURCE_EXHAUSTED" and _TOO_LARGE in details:
        return Verdict(kind=Kind.TOO_LARGE, words=words)
    if code == "UNAVAILABLE" and (advice := _connection_advice(details)):
        return Verdict(kind=Kind.HOLD, words=f"{words}; {advice}", reached=False)
    if code == "UNIMPLEMENTED" and _NO_GZIP in details:
        return Verdict(kind=Kind.HOLD, words=f"{words}; set {names.ENV_OTLP_PREFIX}COMPRESSION to none")
    if code in _GRPC_ADVICE:
        return Verdict(kind=Kind.HOLD, words=f"{words}; {_GRPC_ADVICE[code]}")
    return Verdict(kind=Kind.RETRY, words=words, wait_s=wait_s, reached=code in _OF_THE_RECEIVER)


def _connection_advice(details: str) -> str:
    if any(sign in details for sign in _NO_TLS):
        return f"let {names.ENV_OTLP_ENDPOINT} begin with http://"
    if any(sign in details for sign in _NO_TRUST):
        return (
            f"set {names.ENV_OTLP_CERTIFICATE} to the certificates to trust, or {names.ENV_OTLP_ENDPOINT} to a name in"
            " the receiver's own"
        )
    return f"set {_PROTOCOL} to http/protobuf, or the port to that of gRPC" if "http1.x server" in details else ""


_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_HTTP_ADVICE: Final[Mapping[int, str]] = {
    400: f"check {names.ENV_OTLP_ENDPOINT}, and the receiver's own log",
    401: _HEADERS_ADVICE,
    403: _HEADERS_ADVICE,
    415: f"set {names.ENV_OTLP_ENDPOINT} to a receiver that takes protobuf",
}
_GRPC_ADVICE: Final[Mapping[str, str]] = {
    "INVALID_ARGUMENT": f"check {names.ENV_OTLP_ENDPOINT}, and the receiver's own log",
    "FAILED_PRECONDITION": f"check {names.ENV_OTLP_ENDPOINT}, and the receiver's own log",
    "NOT_FOUND": _ENDPOINT_ADVICE,
    "UNIMPLEMENTED": _ENDPOINT_ADVICE,
    "PERMISSION_DENIED": _HEADERS_ADVICE,
    "UNAUTHENTICATED": _HEADERS_ADVICE,
}
_OF_THE_RECEIVER: Final = frozenset({"RESOURCE_EXHAUSTED", "ABORTED", "ALREADY_EXISTS", "OUT_OF_RANGE"})
