"""One request to a receiver of OTLP over HTTP."""

import gzip
from collections.abc import Sequence
from functools import partial
from typing import Final

import urllib3

from otel_job_measure import names
from otel_job_measure.delivery.client_certificate import ClientCertificate
from otel_job_measure.delivery.deadline import Deadline
from otel_job_measure.delivery.http import Variables, answer_to, pool_of
from otel_job_measure.delivery.influxdb.responses import Masked, Verdict
from otel_job_measure.delivery.otlp.log_records import NoMessageError, Record, decode_success, encode, message_of
from otel_job_measure.delivery.otlp.responses import PROTOBUF, is_success, judge_http, judge_success, no_success
from otel_job_measure.delivery.server_sink import never_collect_in_children
from otel_job_measure.settings import OtlpDestination, Settings

_COMPRESSION: Final = 3


class Wire:
    """The package's own connection to one receiver."""

    def __init__(self, settings: Settings, destination: OtlpDestination) -> None:
        self._url = destination.endpoint
        self._is_gzipped = settings.otlp_compression == "gzip"
        self._headers = {
            "user-agent": "otel-job-measure",
            **settings.headers(),
            "content-type": PROTOBUF,
            **({"content-encoding": "gzip"} if self._is_gzipped else {}),
        }
        self._deadline = Deadline()
        self._pool = pool_of(
            settings.proxy_for(destination.endpoint),
            self._deadline,
            ca_certs=settings.otlp_certificate or settings.ca_file,
            cert_file=settings.otlp_client_certificate,
            key_file=settings.otlp_client_key,
        )
        self._variables = Variables(
            url=names.ENV_OTLP_ENDPOINT,
            ca_file=names.ENV_OTLP_CERTIFICATE,
            own=ClientCertificate.for_otlp(settings),
            no_http=f"if that is a port for gRPC, set {names.ENV_OTLP_PREFIX}PROTOCOL to grpc",
        )
        never_collect_in_children(self)

    def export(self, records: Sequence[Record], *, timeout_s: float, now_s: float, masked: Masked) -> Verdict:
        """Sends records with one POST; raises `NoAnswer`."""
        body = encode(records)
        send = partial(
            self._pool.request,
            "POST",
            self._url,
            body=gzip.compress(body, _COMPRESSION, mtime=0) if self._is_gzipped else body,
            headers=self._headers,
            timeout=urllib3.Timeout(total=timeout_s),
            preload_content=False,
            decode_content=False,
            redirect=False,
            retries=False,
        )
        response = answer_to(
            send, url=self._url, deadline=self._deadline.of(timeout_s), variables=self._variables, masked=masked
        )
        if not is_success(response):
            return judge_http(response, masked(message_of(response.body)), now_s=now_s, masked=masked)
        try:
            refused, message = decode_success(response.body)
        except NoMessageError:
            return no_success()
        return judge_success(len(records), refused, masked(message))

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()
