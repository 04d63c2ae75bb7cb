"""Spans that no standard allows, among good ones."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.collector.ways import post_spans, span
from tests.support.backend import Backend
from tests.support.collectors import Collector, Telegraf
from tests.support.influx import InfluxServer
from tests.support.processes import until

JOB = {"scheduling.job.name": "nightly"}
GOOD = 7
LAST_NS = 2**63 - 2  # of InfluxDB; what comes after 2**63 - 1 is a time before 1970 to it
JOB_IN_JSON = [{"key": "scheduling.job.name", "value": {"stringValue": "nightly"}}]
ODD: dict[str, dict[str, Any]] = {
    "no trace id": {"traceId": ""},
    "no span id": {"spanId": ""},
    "zeros for a trace id": {"traceId": "0" * 32},
    "zeros for a span id": {"spanId": "0" * 16},
    "no times": {"startTimeUnixNano": "0", "endTimeUnixNano": "0"},
    "times after the last one": {"startTimeUnixNano": str(LAST_NS + 1), "endTimeUnixNano": str(LAST_NS + 1)},
    "an end after the last time": {"endTimeUnixNano": str(LAST_NS + 1)},
    "times before the first one": {"startTimeUnixNano": str(LAST_NS + 2), "endTimeUnixNano": str(LAST_NS + 2)},
    "an empty job": {"attributes": [{"key": "scheduling.job.name", "value": {"stringValue": ""}}]},
    "a job of 70,000 characters": {
        "attributes": [{"key": "scheduling.job.name", "value": {"stringValue": "x" * 70_000}}]
    },
    "a number for a job": {"attributes": [{"key": "scheduling.job.name", "value": {"intValue": "5"}}]},
    "a list for a project": {
        "attributes": [
            *JOB_IN_JSON,
            {"key": "scheduling.job.project", "value": {"arrayValue": {"values": [{"stringValue": "a\\\n"}]}}},
        ]
    },
    "no number": {"attributes": [*JOB_IN_JSON, {"key": "scheduling.job.duration", "value": {"doubleValue": "NaN"}}]},
    "an empty link": {"links": [{"traceId": "", "spanId": ""}]},
    "an empty exception": {"events": [{"timeUnixNano": "0", "name": "exception"}]},
}


def beside(odd: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns a span with something odd, between two good ones."""
    first, middle, last = (span(trace=trace, attributes=JOB) for trace in (GOOD, 8, GOOD + 2))
    return [first, middle | odd, last]


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_span_takes_no_other_with_it(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
    odd: dict[str, Any],
) -> None:
    """The good spans of its request are in the backend, in InfluxDB's rows `spans` and in Telegraf's rows."""
    last = telegraf(rows := influx.new_bucket())
    through = agent(bucket, backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=last.address)
    post_spans(through.http, ({}, beside(odd)))
    good = {f"{trace:032x}" for trace in (GOOD, GOOD + 2)}
    until(lambda: {row.tags.get("trace_id") for row in influx.lines(bucket)} >= good, "the good spans")
    until(lambda: {row.fields.get("trace_id") for row in influx.lines(rows)} >= good, "the good runs")
    through.stop()  # it says what spans it has before it goes
    assert {each.trace_id.hex() for _, each in backend.spans()} >= good
