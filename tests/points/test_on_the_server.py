"""What was written is what InfluxDB gives back: real servers of generations 1 and 2, and the parser of generation 3."""

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_job_measure.errors import LineProtocolError, SettingsError
from otel_job_measure.points.line_protocol import Point, lines, parse
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import clean_field, clean_tag
from otel_job_measure.settings import Settings
from tests.points.test_line_protocol import INVALID, VALID
from tests.points.texts import NAMES, TEXTS
from tests.support.grammar3 import grammar3, read_by_3
from tests.support.influx import InfluxServer, Row
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


def in_order(points: Iterable[Row | Point]) -> list[tuple[object, ...]]:
    """Returns points in an order of their own: InfluxDB gives those of one time as it likes."""
    shown = [(at.time_ns, at.measurement, sorted(at.tags.items()), sorted(at.fields.items())) for at in points]
    return sorted(shown, key=repr)


def check(influx: InfluxServer, texts: list[str]) -> None:
    """Writes the rows in one request and compares every tag and field of every row that comes back."""
    bucket = influx.new_bucket()
    data = rows_of(texts)
    influx.write(data, bucket)
    assert in_order(influx.lines(bucket)) == in_order(map(parse, lines(data)))


def check_3(program: Path, texts: list[str]) -> None:
    """Compares every tag and field of every row with what the parser of InfluxDB 3 reads."""
    data = rows_of(texts)
    found = read_by_3(program, data)
    assert [one for one in found if "error" in one] == []
    assert in_order(Row(**one) for one in found) == in_order(map(parse, lines(data)))


@pytest.fixture(scope="module")
def program() -> Path:
    """The parser of InfluxDB 3."""
    return grammar3(os.environ)


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


def test_nasty_names_come_back_exactly(real_influx: InfluxServer) -> None:
    """Every row of every name, tags and fields, as `parse` reads them too."""
    check(real_influx, NAMES)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(TEXTS.filter(bool), min_size=60, max_size=120))
def test_any_names_come_back_exactly(real_influx: InfluxServer, texts: list[str]) -> None:
    """Arbitrary names, many in one request: one that breaks its line would break others too."""
    check(real_influx, texts)


def test_influxdb_3_reads_nasty_names_alike(program: Path) -> None:
    """No line is refused, and no tag or field means anything else there."""
    check_3(program, NAMES)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(texts=st.lists(TEXTS.filter(bool), min_size=60, max_size=120))
def test_influxdb_3_reads_any_names_alike(program: Path, texts: list[str]) -> None:
    """Arbitrary names, many in one request."""
    check_3(program, texts)


@settings(max_examples=20)
@given(keys=st.lists(st.text(st.characters(exclude_categories=()), max_size=40), max_size=8))
def test_any_name_of_a_further_tag_is_refused_or_read_alike(program: Path, keys: list[str]) -> None:
    """The settings refuse the names of tags that a generation has no way to say."""
    names: list[str] = []
    for key in keys:
        with contextlib.suppress(SettingsError):
            names += Settings(tags=(key,)).tags
    data = start_line(Series("j", DefaultTags(more=tuple((name, "x") for name in dict.fromkeys(names)))), "u", 1)
    [found] = read_by_3(program, data)
    assert "error" not in found, found
    assert Row(**found).tags == parse(data).tags


@pytest.mark.parametrize("value", [1e-07, 1.5e-300, 1e16, 1.7976931348623157e308, 5e-324, -0.0, 12.25, 1e22])
def test_influxdb_3_reads_any_duration_alike(program: Path, value: float) -> None:
    """Python writes some numbers with an exponent."""
    ending = Ending(uuid="u", outcome=Outcome(), end_ns=1, duration_s=value, lag_s=-value, attempt=2**63 - 1)
    data = ending_lines(Series("j", DefaultTags()), ending, run_row=True, error_message=False)
    found, _ = read_by_3(program, data)
    assert found["fields"] == dict(parse(lines(data)[0]).fields)
    assert found["fields"]["duration"] == value


@pytest.mark.parametrize(
    ("tag", "by_2", "by_3"),
    [
        ("a\tb", "a\tb", None),
        (r"C:\Jobs\\ nightly", "C:\\Jobs\\ nightly", None),
        (r"a\\b", r"a\\b", r"a\b"),
        (r"a\\,b", "a\\,b", None),
    ],
)
def test_why_tags_are_changed(real_influx: InfluxServer, program: Path, tag: str, by_2: str, by_3: str | None) -> None:
    """Lines that older versions wrote: generations 1 and 2 take them as they are, generation 3 does not."""
    bucket = real_influx.new_bucket()
    data = f'scheduling-job,job={tag} status="start",uuid="u" {FIRST_NS}'.encode()
    real_influx.write(data, bucket)
    assert [row.tags["job"] for row in real_influx.lines(bucket)] == [by_2]
    assert parse(data).tags["job"] == by_2
    found = [one.get("tags", {}).get("job") for one in read_by_3(program, data)]
    assert found == [by_3]


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
