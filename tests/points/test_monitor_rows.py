"""The monitor's rows as lines, and back."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.points.fields import MONITOR
from otel_job_measure.points.line_protocol import Point, parse
from otel_job_measure.points.monitor import Alive, Event, Expected, MonitorRow, Sender, State
from otel_job_measure.points.monitor_rows import line_of, row_of
from otel_job_measure.points.rows import Series, event_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import clean_field, clean_tag

NOW_NS = 1_800_000_000_000_000_000
JOB = JobId("nightly", "billing", "production")
ROWS: tuple[MonitorRow, ...] = (
    Alive(
        tags={"job": "nightly", "datacenter": "fra", "host.name": "web-1"},
        at_ns=NOW_NS,
        uuid="fFKjZyYJ7vQi",
        host="web-1",
        age_s=61.5,
        interval_s=60.0,
    ),
    Event(job=JOB, event="missed", at_ns=NOW_NS, due_ns=NOW_NS, uuid="fFKjZyYJ7vQi", detail="no start", withdrawn=True),
    State(job=JOB, at_ns=NOW_NS, state="never ran", level=2, since_ns=NOW_NS - 1, due_ns=NOW_NS),
    Expected(job=JOB, at_ns=NOW_NS, source="code", version=3, text=json.dumps({"a": 'b"\\\n', "é": ["x"] * 2000})),
    Sender(host="web-1", at_ns=NOW_NS, complete_until_ns=NOW_NS - 5, pending=0, left=False),
)
_LINES = {
    "alive": b'scheduling-job-alive,datacenter=fra,host.name=web-1,job=nightly age=61.5,host="web-1",interval=60.0,'
    b'uuid="fFKjZyYJ7vQi" 1800000000000000000\n',
    "event": b'scheduling-job-event,event=missed,job=nightly,project=billing,stage=production detail="no start",'
    b'due=1800000000000000000i,uuid="fFKjZyYJ7vQi",withdrawn=true 1800000000000000000\n',
    "state": b"scheduling-job-state,job=nightly,project=billing,stage=production due=1800000000000000000i,level=2i,"
    b'since=1799999999999999999i,state="never ran" 1800000000000000000\n',
    "sender": b"scheduling-job-sender,host=web-1 complete_until=1799999999999999995i,left=false,pending=0i "
    b"1800000000000000000\n",
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_a_row_comes_back_as_it_was(row: MonitorRow) -> None:
    """Also JSON longer than a text's limit, with quotes, backslashes and newlines in it."""
    line = line_of(row)
    assert line.count(b"\n") == 1
    assert row_of(parse(line)) == row


def test_the_bytes_of_a_row_are_fixed() -> None:
    """Several checkers write the same row, so that it must be one row for ever."""
    assert [line_of(ROWS[at]) for at in (0, 1, 2, 4)] == list(_LINES.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: type(row).__name__)
def test_a_row_has_the_tags_and_fields_of_the_table(row: MonitorRow) -> None:
    """Of the kinds that the table says, and in its order."""
    point = parse(line_of(row))
    columns = MONITOR[point.measurement]
    assert set(point.tags) - {"host.name"} <= {each.name for each in columns if each.kind == "tag"}
    kinds = {str: "string", float: "float", int: "integer", bool: "boolean"}
    found = [(name, kinds[type(value)]) for name, value in point.fields.items()]
    assert found == [(each.name, each.kind) for each in columns if each.kind != "tag"]


def test_a_withdrawn_miss_overwrites_the_miss() -> None:
    """The second line has the series and the time of the first, and every field of it."""
    miss = Event(job=JOB, event="missed", at_ns=NOW_NS, due_ns=NOW_NS, detail="no start")
    first, second = (parse(line_of(each)) for each in (miss, dataclasses.replace(miss, withdrawn=True, detail="")))
    assert (first.tags, first.time_ns) == (second.tags, second.time_ns)
    assert first.fields.keys() == second.fields.keys()


@pytest.mark.parametrize("detail", ["", 'paused by "ops"'])
def test_an_adapter_writes_the_bytes_of_a_checker(detail: str) -> None:
    """Both may find the same skipped due time; of the series' tags, the row has those of the job's identity."""
    tags = DefaultTags("fra", "billing", "production", (("host.name", "web-1"),))
    event = Event(job=JOB, event="skipped", at_ns=NOW_NS, due_ns=NOW_NS, detail=detail)
    assert event_line(Series("nightly", tags), "skipped", NOW_NS, detail) == line_of(event)


def test_a_job_without_project_and_stage_has_no_empty_tag() -> None:
    """InfluxDB refuses empty tags; the job comes back as it was."""
    row = State(job=JobId("nightly"), at_ns=NOW_NS, state="ok", level=0, since_ns=0)
    assert line_of(row).startswith(b"scheduling-job-state,job=nightly level=")
    assert row_of(parse(line_of(row))) == row


@given(job=st.text(max_size=20), project=st.text(max_size=8), detail=st.text(max_size=40), event=st.text(min_size=1))
def test_any_text_becomes_one_line(job: str, project: str, detail: str, event: str) -> None:
    """The row comes back with the nearest text that InfluxDB can hold."""
    row = Event(job=JobId(job, project), event=event, at_ns=NOW_NS, detail=detail)
    back = row_of(parse(line_of(row)))
    name = clean_tag(job) or names.UNNAMED
    expected = Event(
        job=JobId(name, clean_tag(project)), event=clean_tag(event), at_ns=NOW_NS, detail=clean_field(detail)
    )
    assert back == expected


def test_a_number_that_no_field_can_hold_is_an_error() -> None:
    """The caller has it wrong, and InfluxDB would refuse the line."""
    with pytest.raises(LineProtocolError):
        line_of(State(job=JOB, at_ns=NOW_NS, state="ok", level=0, since_ns=2**63))


@pytest.mark.parametrize(
    "line",
    [
        _LINES["alive"].replace(b"age=61.5", b"age=61i"),
        _LINES["alive"].replace(b",interval=60.0", b""),
        _LINES["alive"].replace(b",job=nightly", b""),
        _LINES["event"].replace(b"withdrawn=true", b"withdrawn=1i"),
        _LINES["event"].replace(b",event=missed", b""),
        _LINES["event"].replace(b"due=1800000000000000000i", b'due="1800000000000000000"'),
        _LINES["state"].replace(b"level=2i", b"level=true"),
        _LINES["sender"].replace(b",host=web-1", b""),
        _LINES["sender"].replace(b" 1800000000000000000\n", b"\n"),
        b'scheduling-job,job=nightly status="start",uuid="a" 1800000000000000000\n',
        b"cpu,host=a usage=1 1800000000000000000\n",
    ],
)
def test_what_is_no_row_of_the_monitor_is_none(line: bytes) -> None:
    """A value that is missing or of another type, a line without a time, another measurement."""
    assert row_of(parse(line)) is None


def test_every_measurement_has_a_table() -> None:
    """The table of fields knows the five measurements, the fields in the order of a line."""
    assert tuple(MONITOR) == names.MONITOR
    for columns in MONITOR.values():
        fields = [each.name for each in columns if each.kind != "tag"]
        assert fields == sorted(fields)
    assert row_of(Point("scheduling-job-else", {}, {"a": 1}, NOW_NS)) is None
