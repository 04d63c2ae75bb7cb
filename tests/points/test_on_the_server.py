"""What was written is what the real InfluxDB gives back."""

import json
import time
from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_job_measure.errors import LineProtocolError
from otel_job_measure.points import (
    DefaultTags,
    Ending,
    Outcome,
    clean_field,
    clean_tag,
    ending_lines,
    lines,
    parse,
    start_line,
)
from otel_job_measure.points.rows import Series
from tests.points.test_line_protocol import INVALID, VALID
from tests.points.texts import NAMES, TEXTS
from tests.support.influx import InfluxServer
from tests.support.influxd import request

# Distinct for InfluxDB also where two names are the same to it; the hour before now, which any range finds.
FIRST_NS = time.time_ns() - 3_600_000_000_000


def rows_of(texts: list[str]) -> bytes:
    """A start and an ending of one run for each text, which stands wherever a text can stand."""
    data = bytearray()
    for number, text in enumerate(texts):
        series = Series(text, DefaultTags(project=text, more=(("host.name", text), ("z", "z"))))
        data += start_line(series, f"run{number}", FIRST_NS + 1000 * number)
        data += ending_lines(
            series,
            Ending(
                uuid=f"run{number}",
                outcome=Outcome(reason="error", error_type=text, error_message=text),
                end_ns=FIRST_NS + 1000 * number + 1,
                duration_s=float(number),
                host=text,
            ),
            run_row=True,
            error_message=True,
        )
    return bytes(data)


def check(influx: InfluxServer, texts: list[str]) -> None:
    """Writes the rows in one request and compares every tag and field of every row that comes back."""
    bucket = influx.new_bucket()
    data = rows_of(texts)
    influx.write(data, bucket)
    # InfluxDB gives rows in the order of time, and two at one time as it likes.
    expected = [parse(line) for line in lines(data)]
    found = influx.lines(bucket)
    assert sorted((row.time_ns, row.measurement, sorted(row.tags.items())) for row in found) == sorted(
        (point.time_ns, point.measurement, sorted(point.tags.items())) for point in expected
    )
    fields = {(row.time_ns, row.measurement): dict(row.fields) for row in found}
    assert fields == {(point.time_ns, point.measurement): dict(point.fields) for point in expected}


def test_nasty_names_come_back_from_flux(influx: InfluxServer, bucket: str) -> None:
    """Name by name: what a Flux query says is the cleaned name, as tag and as field."""
    influx.write(rows_of(NAMES), bucket)
    query = (
        f'from(bucket: "{bucket}") |> range(start: -1d) |> filter(fn: (r) => r._measurement == "scheduling-job-run")'
    )
    found = influx.flux(f'{query} |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")')
    by_uuid = {record["uuid"]: record for record in found}
    assert len(found) == len(by_uuid) == len(NAMES)
    for number, name in enumerate(NAMES):
        record = by_uuid[f"run{number}"]
        tag = clean_tag(name)
        assert (record["job"], record["project"], record["host.name"]) == (tag, tag, tag)
        assert (record["host"], record["error_message"]) == (clean_field(name), clean_field(name))


def test_nasty_names_come_back_exactly(influx: InfluxServer) -> None:
    """Every row of every name, tags and fields, as `parse` reads them too."""
    check(influx, NAMES)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(TEXTS.filter(bool), min_size=60, max_size=120))
def test_any_names_come_back_exactly(influx: InfluxServer, texts: list[str]) -> None:
    """Arbitrary names, many in one request: one that breaks its line would break others too."""
    check(influx, texts)


def test_influxdb_reads_and_refuses_the_same_lines(influx: InfluxServer, bucket: str) -> None:
    """`parse` is right about what is line protocol: the server takes the valid lines of its tests, and no other."""
    wrong: list[bytes] = []
    for line in [*VALID, *INVALID]:
        where = urlencode({"org": influx.org, "bucket": bucket, "precision": "ns"})
        headers = {"Authorization": f"Token {influx.token}"}
        answer = request("POST", f"{influx.url}/api/v2/write?{where}", line, headers)
        try:
            parse(line)
        except LineProtocolError:
            taken = False
        else:
            taken = True
        # Empty lines and comments are taken, and are no points; a type may conflict with another line's.
        refused = b"unable to parse" in answer.body
        if taken == refused and line.strip() and not line.strip().startswith(b"#"):
            wrong.append(line)
    assert wrong == []


def test_influxdb_misses_the_end_of_the_line_without_our_change(influx: InfluxServer, bucket: str) -> None:
    """Why a backslash before a separator becomes a slash: plainly escaped, such a name costs its neighbour too."""
    where = urlencode({"org": influx.org, "bucket": bucket, "precision": "ns"})
    headers = {"Authorization": f"Token {influx.token}"}
    data = b'm,job=\\\\ \\\\=" x=1 1\nm,job=innocent x=1 2\n'
    answer = request("POST", f"{influx.url}/api/v2/write?{where}", data, headers)
    assert answer.status == 400
    assert "innocent" in json.loads(answer.body)["message"]
    influx.write(start_line(Series('\\ \\="', DefaultTags()), "u", FIRST_NS), bucket)
    assert [row.tags for row in influx.lines(bucket)] == [{"job": '/ /="'}]
