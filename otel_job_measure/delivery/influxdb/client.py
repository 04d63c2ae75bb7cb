"""One write to InfluxDB over HTTP, by influxdb-client's `WriteService`.

This module takes 270 ms to import. `server_sink.load` imports it on the thread that creates a `JobMeasure`: an import
on the shipper's thread while the process forks would hang the child.
"""

import copy
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

# Its public face, InfluxDBClient, sets the levels of loggers that are the app's (`urllib3` too) when it is made.
from influxdb_client._sync.api_client import ApiClient
from influxdb_client.configuration import Configuration
from influxdb_client.service.write_service import WriteService

from otel_job_measure import names
from otel_job_measure.delivery import echoes
from otel_job_measure.delivery.client_certificate import ClientCertificate
from otel_job_measure.delivery.deadline import Deadline, bounded
from otel_job_measure.delivery.http import Variables, answer_to, pool_of
from otel_job_measure.delivery.influxdb.responses import Masked, Response
from otel_job_measure.delivery.server_sink import never_collect_in_children
from otel_job_measure.settings import Destination, Settings

_ANY_ORG: Final = "-"
"""For servers that have no organizations, some of which want one to be named."""


class _Api(ApiClient):
    """Returns the raw answer to a write.

    The client itself raises for every status but 2xx, and if the body is no JSON it calls `logging.debug`, which sets
    up the app's root logger.
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
            decode_content=False,
            redirect=False,
            retries=False,
        )

    def __del__(self) -> None:
        """Does nothing; the client itself would sign out over the network."""


class _Configuration(Configuration):
    """A configuration with the client's defaults, not with defaults that the app may have set."""


class Wire:
    """The package's own connection pool to one server; `api` carries the requests."""

    def __init__(
        self,
        destination: Destination,
        api: Any,  # noqa: ANN401 - generated code
        deadline: Deadline,
        own: ClientCertificate,
    ) -> None:
        self._destination = destination
        self._variables = Variables(url=names.ENV_INFLUXDB_URL, ca_file=f"{names.ENV_PREFIX}CA_FILE", own=own)
        self._api = api
        self._deadline = deadline
        self._service = _untyped(WriteService)(api)
        never_collect_in_children(self)

    @classmethod
    def of_settings(cls, settings: Settings, destination: Destination) -> "Wire":
        """Makes a connection from settings."""
        configuration = _untyped(_Configuration)()
        configuration.host = destination.url
        api = _untyped(_Api)(configuration)
        api.rest_client.pool_manager = pool_of(
            settings.proxy_for(destination.url),
            deadline := Deadline(),
            ca_certs=settings.ca_file,
            cert_file=settings.influxdb_client_certificate,
            key_file=settings.influxdb_client_key,
        )
        api.user_agent = "otel-job-measure"
        return cls(destination, api, deadline, ClientCertificate.for_influxdb(settings))

    @classmethod
    def of_client(cls, client: Any, destination: Destination) -> "Wire":  # noqa: ANN401 - generated code without types
        """Makes one with the server, credentials and proxy of the user's own client, which stays unchanged."""
        configuration = copy.copy(client.api_client.configuration)
        configuration.enable_gzip = False  # the sink compresses
        api = _untyped(_Api)(configuration)
        api.default_headers = client.api_client.default_headers  # the user may set another token there
        bounded(api.rest_client.pool_manager, deadline := Deadline())
        return cls(destination, api, deadline, ClientCertificate.for_influxdb())

    def post(self, body: bytes, *, authorization: str | None, timeout_s: float, masked: Masked) -> Response:
        """Writes a gzipped body of line protocol with times in ns; raises `NoAnswer`."""
        if authorization is not None:
            self._api.set_default_header("Authorization", authorization)
        send = partial(
            self._service.post_write_with_http_info,
            self._destination.org or _ANY_ORG,
            self._destination.bucket,
            body,
            precision="ns",
            content_encoding="gzip",
            _preload_content=False,
            _return_http_data_only=True,
            _request_timeout=timeout_s,
        )
        response = answer_to(
            send,
            url=self._destination.url,
            deadline=self._deadline.of(timeout_s),
            variables=self._variables,
            masked=masked,
        )
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._api.cookie = None  # the session of a client with user and password has ended: sign in again
        return response

    def secrets(self) -> Iterator[str]:
        """Yields the secrets of its requests."""
        configuration = self._api.configuration
        headers: dict[str, object] = {**self._api.default_headers, **(configuration.proxy_headers or {})}
        for name, value in headers.items():
            if name.lower() != "user-agent":
                yield from echoes.of_header(str(value))
        if configuration.proxy:
            yield from echoes.of_proxy(str(configuration.proxy))
        yield from (str(self._api.cookie or ""), str(configuration.password or ""))

    def close(self) -> None:
        """Closes the connections."""
        self._api.rest_client.pool_manager.clear()


def _untyped(what: object) -> Any:  # noqa: ANN401 - the client's classes are generated, without types
    return what
