"""One write to InfluxDB over HTTP, by influxdb-client's `WriteService`.

Importing this module takes 270 ms and imports everything that a request may need. `load` does it, on the thread of whoever
makes a `JobMeasure`: an import in the shipper's thread while the process forks would hang the child.
"""

# Not used here, but imported by a first request, a first error or a first log line if it weren't for these.
import contextlib
import copy
import email.message
import encodings.idna
import linecache  # noqa: F401
import ssl
import time
import tokenize  # noqa: F401
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import unquote, urlencode

import urllib3

# Its public face, InfluxDBClient, sets the levels of the app's own loggers (`urllib3` among them) when it is made.
from influxdb_client._sync.api_client import ApiClient
from influxdb_client.configuration import Configuration
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
    TimeoutError as NoAnswerInTime,
)

from otel_job_measure import names
from otel_job_measure.delivery.answers import Response, short
from otel_job_measure.settings import Destination, Settings

_MOST_BODY: Final = 4 * 1024 * 1024
_AT_ONCE: Final = 64 * 1024
