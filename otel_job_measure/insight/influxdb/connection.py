"""Questions to an InfluxDB over HTTP: one request at a time in each thread, each with a deadline, never in a trace."""

import codecs
import csv
import threading
from base64 import b64encode
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from typing import Final
from urllib.parse import urlencode

import urllib3
from urllib3 import exceptions

from otel_job_measure import names
from otel_job_measure.delivery import echoes
from otel_job_measure.delivery.client_certificate import ClientCertificate
from otel_job_measure.delivery.deadline import Deadline
from otel_job_measure.delivery.http import Variables, no_answer, pool_of
from otel_job_measure.delivery.influxdb.responses import NoAnswer, Response
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.errors import SettingsError, StoreError
from otel_job_measure.insight.influxdb.ask import CutError
from otel_job_measure.insight.influxdb.refusals import refusal
from otel_job_measure.settings import Destination, Settings

_MOST_RECEIVED: Final = 256 * 1024 * 1024
_NO_ROWS: Final = (ValueError, LookupError, TypeError, AttributeError, csv.Error)
_AT_ONCE: Final = 64 * 1024
_LONGEST_LINE: Final = 64 * 1024 * 1024
"""No answer with rows has longer ones; what has is a file that somebody else serves."""


class Refused(Exception):  # noqa: N818 - not an error of the program: the server's answer
    """The server answered, and not with what was asked for."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class _Way(threading.local):
    """The connections of one thread: the page asks in several at once, and a deadline is that of one exchange."""

    def __init__(self, proxy: str | None, settings: Settings) -> None:
        self.deadline = Deadline(_MOST_RECEIVED)
        self.pool = pool_of(
            proxy,
            self.deadline,
            ca_certs=settings.ca_file,
            cert_file=settings.influxdb_client_certificate,
            key_file=settings.influxdb_client_key,
        )


class Connection:
    """Connections to the InfluxDB of some settings.

    Args:
        settings: With a destination that is an InfluxDB.

    Raises:
        StoreError: The settings name no InfluxDB.
    """

    def __init__(self, settings: Settings) -> None:
        if not isinstance(settings.destination, Destination):
            raise StoreError(
                f"no InfluxDB is set: set {names.ENV_INFLUXDB_URL}, {names.ENV_INFLUXDB_ORG}, "
                f"{names.ENV_INFLUXDB_BUCKET} and {names.ENV_PREFIX}READ_TOKEN"
            )
        self.destination = settings.destination
        self._settings = settings
        self._proxy = settings.proxy_for(self.destination.url)
        self._way = _Way(self._proxy, settings)
        own = ClientCertificate.for_influxdb(settings)
        self._variables = Variables(url=names.ENV_INFLUXDB_URL, ca_file=f"{names.ENV_PREFIX}CA_FILE", own=own)

    @contextmanager
    def lines(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Generator[Iterator[str]]:
        """Sends a query and yields the lines of its answer as they come, each without its end.

        Raises:
            Refused: The answer is not a 200.
            StoreError: There is no answer, or what the block raises says that it has no rows.
        """
        with self._answer("POST", path, query=query, body=body, headers=headers) as raw:
            if raw.status != HTTPStatus.OK:
                raise Refused(_response_of(raw, raw.read(_AT_ONCE)))
            url = self.destination.url
            if "content-length" not in raw.headers and "chunked" not in raw.headers.get("transfer-encoding", ""):
                raise StoreError(
                    f"{url} does not say how long its answer is, so a part could be taken for all of it: let the proxy "
                    "before it speak HTTP/1.1"
                )
            try:
                yield _lines_of(raw)
            except CutError:
                raise StoreError(f"{url} broke off its answer") from None
            except _NO_ROWS:  # a login page, or the page of a proxy
                raise StoreError(
                    f"{url} answered with something else than rows, or broke off its answer: set "
                    f"{names.ENV_INFLUXDB_URL} to an InfluxDB"
                ) from None

    def get(self, path: str) -> Response:
        """Returns the answer to a GET; raises `StoreError` if there is none."""
        with self._answer("GET", path) as raw:
            return _response_of(raw, raw.read(_AT_ONCE))

    def post(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Returns the answer to a POST, whatever its status; raises `StoreError` if there is none."""
        with self._answer("POST", path, query=query, body=body, headers=headers) as raw:
            return _response_of(raw, raw.read(_AT_ONCE))

    def error(self, response: Response) -> StoreError:
        """Returns what an answer means that is no answer to a question."""
        return StoreError(self.masked(refusal(response, self.destination.bucket, self.masked)))

    def masked(self, text: str) -> str:
        """Returns a text without the secrets of the requests."""
        return echoes.masked(text, self._secrets())

    def close(self) -> None:
        """Closes the connections of this thread."""
        self._way.pool.clear()

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Generator[urllib3.BaseHTTPResponse]:
        timeout_s = self._settings.timeout_s
        url = self.destination.url
        send = partial(
            self._way.pool.request,
            method,
            f"{url}{path}{'?' if query else ''}{urlencode(query or {})}",
            body=body,
            headers={"User-Agent": "otel-job-measure", **self._authorization(), **(headers or {})},
            timeout=urllib3.Timeout(total=timeout_s),
            preload_content=False,
            decode_content=True,
            redirect=False,
            retries=False,
        )
        self._way.deadline.of(timeout_s)
        raw: urllib3.BaseHTTPResponse | None = None
        try:
            raw = untraced(send)
            assert raw is not None  # noqa: S101 - for the type checkers
            yield raw
        except NoAnswer as error:
            raise StoreError(str(error)) from None
        except (exceptions.HTTPError, HTTPException, OSError) as error:
            raise StoreError(str(no_answer(error, url, timeout_s, self._variables, self.masked))) from None
        finally:
            if raw is not None:
                raw.close()

    def _authorization(self) -> dict[str, str]:
        """Returns the header that names the reader; none for an InfluxDB 1.x without users."""
        settings = self._settings
        try:
            if settings.read_token is not None or settings.read_token_file is not None:
                return {"Authorization": f"Token {settings.reading_token()}"}
            if settings.influxdb_username is not None:
                pair = f"{settings.influxdb_username}:{settings.password()}"
                return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
            if settings.influxdb_token is not None or settings.influxdb_token_file is not None:
                return {"Authorization": f"Token {settings.token()}"}
        except SettingsError as error:
            raise StoreError(str(error)) from None
        return {}

    def _secrets(self) -> Iterable[str]:
        for value in self._authorization().values():
            yield from echoes.of_header(value)
        if self._proxy is not None:
            yield from echoes.of_proxy(self._proxy[:])


def _lines_of(raw: urllib3.BaseHTTPResponse) -> Iterator[str]:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest: list[str] = []
    size = 0
    while piece := raw.read(_AT_ONCE):
        first, *lines = decode(piece).split("\n")
        rest.append(first)
        size += len(first)
        if size > _LONGEST_LINE:
            raise ValueError
        if lines:
            yield "".join(rest)
            yield from lines[:-1]
            rest, size = lines[-1:], len(lines[-1])
    if last := "".join(rest):
        yield last


def _response_of(raw: urllib3.BaseHTTPResponse, body: bytes) -> Response:
    headers = {name.lower(): value for name, value in raw.headers.items()}
    return Response(status=raw.status, headers=headers, body=body)
