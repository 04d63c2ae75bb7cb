"""HTTP for all servers: reading an answer in time, and the meaning of a failed request."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3 import exceptions
from urllib3.util import make_headers

from otel_job_measure import names
from otel_job_measure.delivery.client_certificate import ClientCertificate
from otel_job_measure.delivery.deadline import MOST_BODY, Deadline, bounded
from otel_job_measure.delivery.influxdb.responses import OTHER_TIME, RENEW, Masked, NoAnswer, Response, short
from otel_job_measure.forks import fork_gate

HUNG_UP: Final = "it closed the connection without an answer"
NO_HTTP: Final = "its answer is not HTTP; perhaps another server listens there, or the URL needs https://"
_AT_ONCE: Final = 64 * 1024
_NO_TLS: Final[tuple[str, ...]] = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_OLD_TLS: Final = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION")
_OTHER_PROTOCOL: Final = "NO_APPLICATION_PROTOCOL"
_PROXY: Final = f"{names.ENV_PREFIX}PROXY"


def _proxy_of(url: str) -> tuple[str, dict[str, str] | None]:
    """Returns a proxy's URL without user and password, and the headers that carry them."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    headers: dict[str, str] = make_headers(proxy_basic_auth=unquote(user))
    return parts._replace(netloc=host).geturl(), headers


def pool_of(proxy: str | None, deadline: Deadline, **how: Any) -> Any:  # noqa: ANN401 - urllib3's arguments
    """Returns a pool of connections, through a proxy if there is one."""
    try:
        pool = _pool(proxy, **how)
    except ImportError:
        return _NoSocks()
    bounded(pool, deadline)
    return pool


def _pool(proxy: str | None, **how: Any) -> Any:  # noqa: ANN401 - the same
    how = {"num_pools": 1, "maxsize": 1, **{name: str(path) for name, path in how.items() if path is not None}}
    if proxy is None:
        return urllib3.PoolManager(**how)
    # A slice has the URL's own characters; printed, it hides the password.
    if not proxy.startswith("socks"):
        url, headers = _proxy_of(proxy[:])
        return urllib3.ProxyManager(url, proxy_headers=headers, **how)
    with fork_gate():
        import socks  # type: ignore[import-untyped]  # noqa: F401, PLC0415 - urllib3 warns if it is not there
        from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415 - needs a library of its own
    return SOCKSProxyManager(proxy[:], **how)


class _NoSocks:
    """Stands for a pool: the points wait until the library is there."""

    def request(self, *_: object, **__: object) -> None:
        raise NoAnswer("the proxy needs a library for SOCKS: pip install pysocks", hold=True)

    def clear(self) -> None:
        pass


def _response_of(raw: urllib3.BaseHTTPResponse) -> Response:
    """Reads an answer up to 4 MiB and gives its connection back."""
    headers = {name.lower(): value for name, value in raw.headers.items()}
    try:
        return Response(status=raw.status, headers=headers, body=b"".join(_body(raw)))
    finally:
        if raw.status == HTTPStatus.NO_CONTENT:
            raw.drain_conn()  # a connection whose answer was not read cannot be used again
        if raw.closed or raw.status == HTTPStatus.NO_CONTENT:
            raw.release_conn()
        else:
            raw.close()  # an endless body is still in the connection


def _body(raw: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    if raw.status == HTTPStatus.NO_CONTENT:
        return
    read = getattr(raw, "read1", raw.read)
    room = MOST_BODY
    while room > 0 and (part := read(min(room, _AT_ONCE))):
        yield part
        room -= len(part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The variables that a message about a server names: its URL, the certificates to trust, and our own."""

    url: str
    ca_file: str
    own: ClientCertificate
    no_http: str = ""
    """What to set if the server speaks another protocol than HTTP/1.1."""


def answer_to(
    send: Callable[[], urllib3.BaseHTTPResponse], *, url: str, deadline: Deadline, variables: Variables, masked: Masked
) -> Response:
    """Sends a request and reads its answer; raises `NoAnswer` if that fails or does not end in time."""
    try:
        return _response_of(send())
    except (exceptions.HTTPError, OSError) as error:
        raise no_answer(error, url, deadline.timeout_s, variables, masked) from None


def no_answer(error: Exception, url: str, timeout_s: float, variables: Variables, masked: Masked) -> NoAnswer:
    """Returns why a request failed, and what to set if that can help."""
    causes = list(_causes(error))
    first = causes[-1]
    why = short(masked(_why(causes)))  # of a proxy's refusal it has the proxy's own words
    proxied = any(isinstance(cause, exceptions.ProxyError) for cause in causes)
    server = f"the proxy of {_PROXY}" if proxied else url
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if any(isinstance(cause, exceptions.NameResolutionError) for cause in causes):
        return NoAnswer(f"the host of {server} has no address: {why}", hold=False)
    # For urllib3 a refused connection is a time-out too.
    late = any(isinstance(cause, exceptions.TimeoutError | TimeoutError) for cause in causes)
    if late and not isinstance(first, ConnectionError):
        return NoAnswer(f"no answer from {server} within {timeout_s:g} s", hold=False)
    own = variables.own
    if url.startswith("https") and not proxied and (trouble := own.trouble()):
        return NoAnswer(trouble, hold=True)
    if tls is None and not isinstance(error, exceptions.SSLError):
        if variables.no_http and not proxied and isinstance(first, ConnectionResetError | BadStatusLine):
            why = f"{why}; {variables.no_http}"
        return NoAnswer(f"no answer from {server}: {why}", hold=False)
    if isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        # Since TLS 1.3 a server says after the handshake what it has against a certificate; often that is lost.
        doubts = "; ".join(filter(None, (own.doubt(), "" if proxied else variables.no_http)))
        return NoAnswer(f"{server} closed the connection during the TLS handshake; {doubts}", hold=False)
    reason = short(getattr(tls, "verify_message", None) or getattr(tls, "reason", None) or why)
    trust = f"set {variables.ca_file} to the certificates to trust, or {variables.url} to a name in the server's own"
    known = dict.fromkeys(_NO_TLS, f"let {variables.url} begin with http://") | dict.fromkeys(OTHER_TIME, RENEW)
    advice = known.get(reason, trust)
    if reason.endswith(_OLD_TLS):
        advice = "it needs TLS 1.2 or newer"
    elif _OTHER_PROTOCOL in reason and not proxied:
        advice = variables.no_http or own.doubt()
    elif "_ALERT_" in reason and not proxied:  # it is the server that refuses
        advice = own.doubt()
    return NoAnswer(f"no TLS connection with {server}: {reason}; {advice}", hold=True)


def _why(causes: Sequence[BaseException]) -> str:
    if any(isinstance(cause, IncompleteRead) for cause in causes):
        return "it broke off its answer"
    first = causes[-1]
    if isinstance(first, RemoteDisconnected):
        return HUNG_UP
    if isinstance(first, BadStatusLine):
        return NO_HTTP
    return getattr(first, "strerror", None) or (str(first) if type(first) is OSError else type(first).__name__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "original_error", None) or error.__cause__ or error.__context__
        if inner is None and error.args and isinstance(error.args[-1], BaseException):
            inner = error.args[-1]
        error = inner
