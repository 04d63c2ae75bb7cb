"""One write to InfluxDB over HTTP, by influxdb-client's `WriteService`.

Importing this module takes 270 ms and imports everything that a request may need. `libraries.load` does it, on the
thread of whoever makes a `JobMeasure`: an import in the shipper's thread while the process forks would hang the child.
"""

import copy
import os
import ssl
import time
import weakref
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

import urllib3

# Its public face, InfluxDBClient, sets the levels of loggers that are the app's (`urllib3` too) when it is made.
from influxdb_client._sync.api_client import ApiClient
from influxdb_client.configuration import Configuration
from influxdb_client.service.write_service import WriteService
from urllib3 import exceptions
from urllib3.util import make_headers

from otel_job_measure import names
from otel_job_measure.delivery.answers import Response, short
from otel_job_measure.settings import Destination, Settings

_MOST_BODY: Final = 4 * 1024 * 1024
_AT_ONCE: Final = 64 * 1024
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_CA_FILE: Final = f"{names.ENV_PREFIX}CA_FILE"
_PROXY: Final = f"{names.ENV_PREFIX}PROXY"


class NoAnswer(Exception):  # noqa: N818 - said by whoever sends, about a server
    """There was no answer; the message says why, and what to set.

    Args:
        words: Why.
        hold: Whether somebody has to set something first.
    """

    def __init__(self, words: str, *, hold: bool) -> None:
        super().__init__(words)
        self.hold = hold


class _Api(ApiClient):
    """Gives the answer to a write as it came, within its time.

    The client's own way makes an exception of all but a 2xx, and where the body is no JSON it calls `logging.debug`,
    which sets up the app's root logger.
    """

    def request(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] - by keyword, always
        self,
        method: str,
        url: str,
        **how: Any,  # noqa: ANN401 - generated code without types
    ) -> Any:  # noqa: ANN401 - the same
        """Sends a request; a sign-in with a user's password goes the client's own way."""
        if how.get("_preload_content", True):
            client: Any = super()
            return client.request(method, url, **how)
        return self.rest_client.pool_manager.request(
            method,
            f"{url}?{urlencode(how['query_params'])}",
            body=how["body"],
            headers=how["headers"],
            timeout=urllib3.Timeout(total=how["_request_timeout"]),
            preload_content=False,
            redirect=False,
            retries=False,
        )

    def __del__(self) -> None:
        """Does nothing, where the client would sign out over the network."""


class _Configuration(Configuration):
    """A configuration that begins with the client's defaults, not with those that the app may have set for its own."""


class Wire:
    """A connection pool of our own to one server.

    Args:
        destination: The server, the organization and the bucket.
        api: What carries requests.
    """

    def __init__(self, destination: Destination, api: Any) -> None:  # noqa: ANN401 - generated code without types
        self._destination = destination
        self._api = api
        self._service = _untyped(WriteService)(api)
        _living.add(self)
        _hook_forks()

    @classmethod
    def of_settings(cls, settings: Settings, destination: Destination) -> "Wire":
        """Makes one from settings."""
        configuration = _untyped(_Configuration)()
        configuration.host = destination.url
        configuration.connection_pool_maxsize = 1
        configuration.ssl_ca_cert = None if settings.ca_file is None else str(settings.ca_file)
        if settings.proxy is not None:
            # A slice has the URL's own characters; printed, it hides the password.
            configuration.proxy, configuration.proxy_headers = _proxy(settings.proxy[:])
        api = _untyped(_Api)(configuration)
        api.user_agent = "otel-job-measure"
        return cls(destination, api)

    @classmethod
    def of_client(cls, client: Any, destination: Destination) -> "Wire":  # noqa: ANN401 - generated code without types
        """Makes one with the server, the rights and the ways of a client of the user's own, which stays as it is."""
        configuration = copy.copy(client.api_client.configuration)
        configuration.enable_gzip = False  # we compress ourselves
        api = _untyped(_Api)(configuration)
        api.default_headers = client.api_client.default_headers  # the user may set another token there
        return cls(destination, api)

    def post(self, body: bytes, *, token: str | None, timeout_s: float) -> Response:
        """Writes a gzipped body of line protocol with times in ns.

        Args:
            body: The body.
            token: The token, or None where the client brings its own rights.
            timeout_s: How long it may take, in seconds.

        Returns:
            The answer, whatever it says.

        Raises:
            NoAnswer: There was none.
        """
        if token is not None:
            self._api.set_default_header("Authorization", f"Token {token}")
        deadline_s = time.monotonic() + timeout_s
        try:
            raw = self._service.post_write_with_http_info(
                self._destination.org,
                self._destination.bucket,
                body,
                precision="ns",
                content_encoding="gzip",
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=timeout_s,
            )
            response = _response(raw, deadline_s)
        except (exceptions.HTTPError, OSError) as error:
            raise _no_answer(error, self._destination.url, timeout_s) from None
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._api.cookie = None  # the session of a client with user and password has ended: sign in again
        return response

    def without_secrets(self, words: str) -> str:
        """Returns words of a server, in case it repeats what it was sent."""
        secret = str(self._api.default_headers.get("Authorization", "")).rpartition(" ")[2]
        return words.replace(secret, "***") if secret else words

    def close(self) -> None:
        """Closes the connections."""
        self._api.rest_client.pool_manager.clear()


_living: "weakref.WeakSet[Wire]" = weakref.WeakSet()
_of_parents: list[Wire] = []
_hooked = False


def _hook_forks() -> None:
    global _hooked  # noqa: PLW0603 - fork hooks belong to the process and cannot be taken back
    if not _hooked:
        _hooked = True
        # Never collected in a child: a pool closes its connections then, under a lock that may be held for ever.
        os.register_at_fork(after_in_child=lambda: _of_parents.extend(_living))


def _untyped(what: object) -> Any:  # noqa: ANN401 - that is its purpose: the client's classes are generated, without types
    return what


def _proxy(url: str) -> tuple[str, dict[str, str] | None]:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    headers: dict[str, str] = make_headers(proxy_basic_auth=unquote(user))
    return parts._replace(netloc=host).geturl(), headers


def _response(raw: urllib3.HTTPResponse, deadline_s: float) -> Response:
    headers = {name.lower(): value for name, value in raw.headers.items()}
    try:
        return Response(status=raw.status, headers=headers, body=b"".join(_body(raw, deadline_s)))
    finally:
        if raw.status == HTTPStatus.NO_CONTENT:
            raw.drain_conn()  # of nothing; but a connection whose answer was never read cannot be used again
        if raw.closed or raw.status == HTTPStatus.NO_CONTENT:
            raw.release_conn()
        else:
            raw.close()  # somebody's endless body is still in the connection


def _body(raw: urllib3.HTTPResponse, deadline_s: float) -> Iterator[bytes]:
    if raw.status == HTTPStatus.NO_CONTENT:
        return
    read = getattr(raw, "read1", raw.read)
    room = _MOST_BODY
    while room > 0 and (part := read(min(room, _AT_ONCE))):
        yield part
        room -= len(part)
        # A server that sends a byte now and then is never quiet for long enough to be timed out.
        if time.monotonic() > deadline_s:
            raise TimeoutError


def _no_answer(error: Exception, url: str, timeout_s: float) -> NoAnswer:
    causes = list(_causes(error))
    first = causes[-1]
    why = getattr(first, "strerror", None) or (str(first) if type(first) is OSError else type(first).__name__)
    why = short(why)
    proxied = any(isinstance(cause, exceptions.ProxyError) for cause in causes)
    whom = f"the proxy of {_PROXY}" if proxied else url
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if any(isinstance(cause, exceptions.NameResolutionError) for cause in causes):
        return NoAnswer(f"the host of {whom} has no address: {why}", hold=False)
    # A refused connection counts as one that wasn't made in time, for urllib3.
    late = any(isinstance(cause, exceptions.TimeoutError | TimeoutError) for cause in causes)
    if late and not isinstance(first, ConnectionError):
        return NoAnswer(f"no answer from {whom} within {timeout_s:g} s", hold=False)
    if tls is None and not isinstance(error, exceptions.SSLError):
        return NoAnswer(f"no answer from {whom}: {why}", hold=False)
    if isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return NoAnswer(f"{whom} closed the connection before TLS was agreed on", hold=False)
    reason = short(getattr(tls, "verify_message", None) or getattr(tls, "reason", None) or why)
    trust = f"set {_CA_FILE} to the certificates to trust, or {names.ENV_INFLUXDB_URL} to a name in the server's own"
    advice = f"let {names.ENV_INFLUXDB_URL} begin with http://" if reason in _NO_TLS else trust
    return NoAnswer(f"no TLS connection with {whom}: {reason}; {advice}", hold=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "original_error", None) or error.__cause__ or error.__context__
        if inner is None and error.args and isinstance(error.args[-1], BaseException):
            inner = error.args[-1]
        error = inner
