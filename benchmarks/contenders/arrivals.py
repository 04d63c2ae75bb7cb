"""How many runs a server knows of, from what it was sent."""

import gzip
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from benchmarks.contenders.contender import JOB, Where
from benchmarks.contenders.cronwatch import Cronwatch
from benchmarks.contenders.libraries import library
from benchmarks.contenders.node import NODE
from benchmarks.stub import Request

Count = Callable[[Sequence[Request], Where], int]


def _bodies(requests: Sequence[Request], path: str) -> Iterator[bytes]:
    for request in requests:
        if request.path.startswith(path):
            yield gzip.decompress(request.body) if request.gzipped else request.body


def _lines(requests: Sequence[Request], where: Where) -> int:
    del where
    ends: set[bytes] = set()
    for body in _bodies(requests, "/api/v2/write"):
        ends.update(line for line in body.splitlines() if line.startswith(b"scheduling-job,") and b'"end"' in line)
    return len(ends)


def _envelopes(requests: Sequence[Request], where: Where) -> int:
    del where
    return sum(body.count(b'"status":"ok"') for body in _bodies(requests, "/api/1/"))


def _pings(requests: Sequence[Request], where: Where) -> int:
    del where
    return sum(request.path == f"/ping/{JOB}" for request in requests)


def _spans(requests: Sequence[Request], where: Where) -> int:
    del where
    message = library("opentelemetry.proto.collector.trace.v1.trace_service_pb2").ExportTraceServiceRequest
    return sum(
        len(scope.spans)
        for body in _bodies(requests, "/v1/traces")
        for resource in message.FromString(body).resource_spans
        for scope in resource.scope_spans
    )


def _counted(requests: Sequence[Request], where: Where) -> int:
    del where
    message = library("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2").ExportMetricsServiceRequest
    found: list[Any] = [message.FromString(body) for body in _bodies(requests, "/v1/metrics")]
    return max(
        (
            point.as_int
            for sent in found
            for resource in sent.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.sum.data_points
        ),
        default=0,
    )


def _recorded(requests: Sequence[Request], where: Where) -> int:
    del requests
    with closing(sqlite3.connect(where.folder / Cronwatch.FILE)) as database:
        return int(database.execute("SELECT count(*) FROM cronwatch_runs WHERE status = 'ok'").fetchone()[0])


ARRIVALS: Final[Mapping[str, Count]] = {
    "span + BatchSpanProcessor + OTLP": _spans,
    "ours": _lines,
    "ours, in memory": _lines,
    "ours, CONFIRM_START=server": _lines,
    "influxdb-client, synchronous": _lines,
    "influxdb-client, batching": _lines,
    "sentry-sdk monitor": _envelopes,
    "healthchecks-style pings": _pings,
    "OpenTelemetry metrics": _counted,
    "cronwatch-sdk (SQLite)": _recorded,
    NODE: _lines,
}
"""What counts the runs whose end has arrived, by the contender's name."""
