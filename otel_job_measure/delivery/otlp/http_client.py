"""One request to a receiver of OTLP over HTTP."""

import gzip
import time
from collections.abc import Sequence
from typing import Any, Final

import urllib3
from urllib3 import exceptions

from otel_job_measure import names
from otel_job_measure.delivery.children import never_collect_in_children
from otel_job_measure.delivery.http import Variables, no_answer, proxy_of, response_of
from otel_job_measure.delivery.influxdb.responses import Verdict
from otel_job_measure.delivery.otlp.log_records import Record
from otel_job_measure.delivery.otlp.messages import NoMessageError, decode_success, encode, message_of
from otel_job_measure.delivery.otlp.responses import PROTOBUF, is_success, judge_http, judge_success, no_success
from otel_job_measure.settings import OtlpDestination, Settings

_COMPRESSION: Final = 3
_VARIABLES: Final = Variables(url=names.ENV_OTLP_ENDPOINT, ca_file=names.ENV_OTLP_CERTIFICATE)


class Wire:
    """A connection of our own to one receiver.

    Args:
        settings: How it is spoken to.
        destination: The receiver.
    """

    def __init__(self, settings: Settings, destination: OtlpDestination) -> None:
        self._url = destination.endpoint
        self._is_gzipped = settings.otlp_compression == "gzip"
        self._headers = {
            "user-agent": "otel-job-measure",
            **settings.headers(),
            "content-type": PROTOBUF,
            **({"content-encoding": "gzip"} if self._is_gzipped else {}),
        }
        self._pool = _pool(settings)
        never_collect_in_children(self)

    def export(self, records: Sequence[Record], *, timeout_s: float, now_s: float) -> Verdict:
        """Sends records with one POST, as the sink asks for it."""
        body = encode(records)
        deadline_s = time.monotonic() + timeout_s
        try:
            raw = self._pool.request(
                "POST",
                self._url,
                body=gzip.compress(body, _COMPRESSION, mtime=0) if self._is_gzipped else body,
                headers=self._headers,
                timeout=urllib3.Timeout(total=timeout_s),
                preload_content=False,
                redirect=False,
                retries=False,
            )
            response = response_of(raw, deadline_s)
        except (exceptions.HTTPError, OSError) as error:
            raise no_answer(error, self._url, timeout_s, _VARIABLES) from None
        if not is_success(response):
            return judge_http(response, message_of(response.body), now_s=now_s)
        try:
            return judge_success(len(records), *decode_success(response.body))
        except NoMessageError:
            return no_success()

    def close(self) -> None:
        """Closes the connections."""
        self._pool.clear()


def _pool(settings: Settings) -> urllib3.PoolManager:
    ca_file = settings.otlp_certificate or settings.ca_file
    certificate, key = settings.otlp_client_certificate, settings.otlp_client_key
    how: dict[str, Any] = {
        "num_pools": 1,
        "maxsize": 1,
        "ca_certs": None if ca_file is None else str(ca_file),
        "cert_file": None if certificate is None else str(certificate),
        "key_file": None if key is None else str(key),
    }
    if settings.proxy is None:
        return urllib3.PoolManager(**how)
    # A slice has the URL's own characters; printed, it hides the password.
    url, headers = proxy_of(settings.proxy[:])
    return urllib3.ProxyManager(url, proxy_headers=headers, **how)
