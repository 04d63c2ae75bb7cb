"""What the tests of ways share: an app that runs to its end, what it says has happened, and rows to compare with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from otel_job_measure import names
from tests.support.exec_ import COMMAND
from tests.support.influx import InfluxServer, Row
from tests.support.influxd import request
from tests.support.processes import until

APP: Final = Path(__file__).parent / "apps" / "app.py"

Key = tuple[str, int, tuple[tuple[str, str], ...], tuple[tuple[str, object], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A run, by the account of the app that ran it."""

    job: str
    uuid: str
    status: str
    reason: str | None
    error_type: str | None


def environment(
    influx: InfluxServer, bucket: str, endpoint: str, protocol: str = "grpc", **more: str
) -> dict[str, str]:
    """Returns the environment of an app that writes to a bucket itself and sends its spans to an endpoint."""
    return {
        **os.environ,
        **influx.variables(bucket),
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_JOB_MEASURE_TAGS": "team",
        "PROJECT_STAGE": "test",
        **more,
    }


def sink(endpoint: str, protocol: str = "grpc", **more: str) -> dict[str, str]:
    """Returns the variables of a process that sends to a receiver."""
    return {
        "OTEL_JOB_MEASURE_SINK": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        **more,
    }


def run_app(variables: Mapping[str, str]) -> list[Told]:
    """Has the app run one of everything, another be killed in the middle of a run, and tells what they said."""
    killed = subprocess.Popen(
        [sys.executable, str(APP), "killed"], env=dict(variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with killed:
        assert killed.stdout is not None
        said = killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    done = subprocess.run([sys.executable, str(APP), "all"], env=dict(variables), stdout=subprocess.PIPE, check=True)
    # What a killed process left is found by the next one that looks, `ship` at the latest.
    subprocess.run([*COMMAND, "ship", "--once"], env=dict(variables), capture_output=True, check=True)
    return told([said, *done.stdout.splitlines()])


def span(
    *,
    trace: int,
    attributes: Mapping[str, str],
    number: int = 1,
    parent: int = 0,
    error: str | None = None,
) -> dict[str, Any]:
    """Returns a span in OTLP/JSON, as a program without any library makes it.

    Args:
        trace: The id of its trace.
        attributes: Its attributes.
        number: Its id.
        parent: The id of its parent; 0 for none.
        error: What its status says, where it has failed.
    """
    now = time.time_ns()
    made: dict[str, Any] = {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "name": "work",
        "kind": 1,
        "startTimeUnixNano": str(now - 1_500_000_000),
        "endTimeUnixNano": str(now),
        "attributes": _in_json(attributes),
    }
    if parent:
        made["parentSpanId"] = f"{parent:016x}"
    if error is not None:
        made["status"] = {"code": 2, "message": error}
    return made


def post_spans(url: str, *resources: tuple[Mapping[str, str], Sequence[Mapping[str, Any]]]) -> None:
    """Posts spans in one request, those of each resource together."""
    spans = [
        {"resource": {"attributes": _in_json(attributes)}, "scopeSpans": [{"spans": list(spans)}]}
        for attributes, spans in resources
    ]
    body = json.dumps({"resourceSpans": spans}).encode()
    answer = request("POST", f"{url}/v1/traces", body, {"Content-Type": "application/json"})
    assert answer.status == HTTPStatus.OK, answer.body


def post_span(
    url: str,
    *,
    trace: int,
    attributes: Mapping[str, str],
    number: int = 1,
    parent: int = 0,
    error: str | None = None,
) -> None:
    """Posts one span, as `span` makes it, of a resource without attributes."""
    made = span(trace=trace, attributes=attributes, number=number, parent=parent, error=error)
    post_spans(url, ({}, [made]))


def told(lines: Sequence[bytes]) -> list[Told]:
    """Reads what an app has printed."""
    return [Told(**json.loads(line)) for line in lines]


def happened(rows: Sequence[Row]) -> set[tuple[Any, ...]]:
    """Returns what run rows say has happened: uuid, status, reason and the type of the error."""
    return {
        (row.fields["uuid"], row.tags["status"], row.tags.get("reason"), row.fields.get("error_type"))
        for row in rows
        if row.measurement == names.RUNS
    }


def keys(rows: Sequence[Row]) -> set[Key]:
    """Returns rows as what can be compared and put into a set: measurement, time, tags and fields."""
    found = {_key(row) for row in rows}
    assert len(found) == len(rows)
    return found


def come(influx: InfluxServer, bucket: str, number: int) -> list[Row]:
    """Waits until there are so many rows of job runs in a bucket, and returns all that is there."""
    until(lambda: sum(row.measurement in {names.POINTS, names.RUNS} for row in influx.lines(bucket)) >= number, "rows")
    return influx.lines(bucket)


def _in_json(attributes: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]


def _key(row: Row) -> Key:
    return (row.measurement, row.time_ns, tuple(sorted(row.tags.items())), tuple(sorted(row.fields.items())))
