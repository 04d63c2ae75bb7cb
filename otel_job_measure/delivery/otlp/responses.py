"""The meaning of an OTLP receiver's answers, as pure functions.

A success says that the receiver has the records, usually in memory. After a partial success nothing is sent again: the
receiver would store the accepted records twice. After any other answer the lines stay in the journal.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.responses import (
    OTHER_TIME,
    RENEW,
    Kind,
    Masked,
    Response,
    Verdict,
    retry_after_s,
    said,
    short,
    without_secrets,
)

PROTOBUF: Final = "application/x-protobuf"
_SERVER: Final = "the OTLP receiver"
_PROTOCOL: Final = f"{names.ENV_OTLP_PREFIX}PROTOCOL"
_ENDPOINT_ADVICE: Final = f"set {names.ENV_OTLP_ENDPOINT} to the address of a receiver of OTLP logs"
_HEADERS_ADVICE: Final = f"set {names.ENV_OTLP_HEADERS} to what the receiver asks for"
_TOO_LARGE: Final = "larger than max"
_NO_GZIP: Final = "grpc-encoding"
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
_NO_GRPC: Final = ("http1.x server", "selected ALPN", "NO_APPLICATION_PROTOCOL")
_NO_TRUST: Final = ("CERTIFICATE_VERIFY_FAILED", "peer certificate", "Hostname Verification")


def is_success(response: Response) -> bool:
    """Returns whether an HTTP answer is a success; a login page has 200 too, and some receivers send no body."""
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status == HTTPStatus.NO_CONTENT:
        return True
    return response.status == HTTPStatus.OK and (content_type == PROTOBUF or not (content_type or response.body))


def judge_success(sent: int, refused: int, message: str) -> Verdict:
    """Returns the meaning of a success."""
    if refused <= 0:
        text = f"{_SERVER} took {sent} records and says: {short(message)}" if message else ""
        return Verdict(kind=Kind.DELIVERED, message=text)
    text = f"{_SERVER} rejected {refused} of {sent} records, and does not say which: {short(message)}"
    return Verdict(kind=Kind.PARTIAL, message=text, refused=refused)


def no_success(status: str = "200") -> Verdict:
    """Returns the meaning of a success that is no OTLP answer."""
    return Verdict(
        kind=Kind.RETRY,
        message=f"{_SERVER} answered {status}, but not in OTLP; {_ENDPOINT_ADVICE}",
        reached=False,
    )


def judge_http(response: Response, message: str, *, now_s: float, masked: Masked = str) -> Verdict:
    """Returns the meaning of an HTTP error; `message` is its text."""
    status = response.status
    if status == HTTPStatus.OK:
        return no_success()
    text = said(_SERVER, status, message)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Verdict(kind=Kind.TOO_LARGE, message=text)
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        where = masked(without_secrets(response.headers.get("location", "")))
        return Verdict(
            kind=Kind.HOLD,
            message=f"{text}; {_ENDPOINT_ADVICE}: redirects, here to {where!r}, are not followed",
            reached=False,
        )
    client_error = 400 <= status < 500  # noqa: PLR2004 - the class of client errors
    if client_error and status not in _LATER:
        return Verdict(kind=Kind.HOLD, message=f"{text}; {_HTTP_ADVICE.get(status, _ENDPOINT_ADVICE)}")
    return Verdict(kind=Kind.RETRY, message=text, wait_s=retry_after_s(response.headers, now_s), reached=client_error)


def judge_grpc(code: str, details: str, *, wait_s: float | None) -> Verdict:
    """Returns the meaning of a gRPC error; its RetryInfo asks to wait some seconds."""
    # The library itself reports UNAVAILABLE if the receiver cannot be reached.
    text = f"{_SERVER} {'is' if code == 'UNAVAILABLE' else 'answered'} {code}" + (
        f": {short(details)}" if details else ""
    )
    if code == "RESOURCE_EXHAUSTED" and _TOO_LARGE in details:
        return Verdict(kind=Kind.TOO_LARGE, message=text)
    if code == "UNAVAILABLE" and (advice := _connection_advice(details)):
        return Verdict(kind=Kind.HOLD, message=f"{text}; {advice}", reached=False)
    if code == "UNIMPLEMENTED" and _NO_GZIP in details:
        return Verdict(kind=Kind.HOLD, message=f"{text}; set {names.ENV_OTLP_PREFIX}COMPRESSION to none")
    if code in _GRPC_ADVICE:
        return Verdict(kind=Kind.HOLD, message=f"{text}; {_GRPC_ADVICE[code]}")
    return Verdict(kind=Kind.RETRY, message=text, wait_s=wait_s, reached=code in _OF_THE_RECEIVER)


def _connection_advice(details: str) -> str:
    if any(sign in details for sign in _NO_TLS):
        return f"let {names.ENV_OTLP_ENDPOINT} begin with http://"
    if any(sign in details for sign in OTHER_TIME):
        return RENEW
    if any(sign in details for sign in _NO_TRUST):
        return (
            f"set {names.ENV_OTLP_CERTIFICATE} to the certificates to trust, or {names.ENV_OTLP_ENDPOINT} to a name in"
            " the receiver's own"
        )
    if any(sign in details for sign in _NO_GRPC):
        return f"set {_PROTOCOL} to http/protobuf, or the port to that of gRPC"
    return ""


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
