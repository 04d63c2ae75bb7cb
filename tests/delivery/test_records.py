"""Rows as log records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure import names
from otel_job_measure.delivery.otlp.log_records import Record, record_of
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.points.line_protocol import Point, parse
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from tests.points.texts import TEXTS

NOW = 1_800_000_000_123_456_007
UUID = "abcdefghijkm"
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERIES = Series(
    "nightly", DefaultTags(datacenter="eu", project="billing", stage="production", more=(("host.name", "x"),))
)
START = start_line(SERIES, UUID, NOW).strip()


def endings(outcome: Outcome, series: Series = SERIES, duration_s: float | None = 1.5) -> list[bytes]:
    """Returns the lines of an ending, the run row first."""
    return ending_lines(
        series,
        Ending(
            uuid=UUID,
            outcome=outcome,
            end_ns=NOW,
            duration_s=duration_s,
            host="web-1",
            trace_id=TRACE_ID,
            span_id=SPAN_ID,
        ),
        run_row=True,
        error_message=True,
    ).splitlines()


def row_of(record: Record) -> Point:
    """Makes the row of a record again, as a program does that knows only the attributes' names."""
    tags: dict[str, str] = {}
    fields: dict[str, str | float | int | bool] = {}
    attributes = dict(record.attributes)
    del attributes["log.record.uid"]
    measurement = str(attributes.pop("scheduling.job.measurement"))
    own_tags = {"datacenter", "project", "stage"} | ({"status", "reason"} if measurement == names.RUNS else set[str]())
    for attribute, value in attributes.items():
        name = attribute.removeprefix("scheduling.job.")
        if name.startswith("tag."):
            tags[name.removeprefix("tag.")] = str(value)
        elif name in own_tags:
            tags[name] = str(value)
        elif name == "name":
            tags["job"] = str(value)
        else:
            fields["uuid" if name == "run_id" else name] = value
    return Point(measurement=measurement, tags=tags, fields=fields, time_ns=record.time_ns)


def test_a_start_has_everything_that_its_row_has() -> None:
    """Under the names that spans have, where they have it; and its time, to the nanosecond."""
    record = record_of(START)
    assert (record.time_ns, record.event, record.failed, record.body) == (
        NOW,
        "scheduling.job.start",
        False,
        "nightly: start",
    )
    assert (record.trace_id, record.span_id) == (b"", b"")
    uid = record.attributes["log.record.uid"]
    assert record.attributes == {
        "log.record.uid": uid,
        "scheduling.job.measurement": "scheduling-job",
        "scheduling.job.name": "nightly",
        "scheduling.job.datacenter": "eu",
        "scheduling.job.project": "billing",
        "scheduling.job.stage": "production",
        "scheduling.job.tag.host.name": "x",
        "scheduling.job.run_id": UUID,
        "scheduling.job.status": "start",
    }
    assert isinstance(uid, str)
    assert len(bytes.fromhex(uid)) == 16


def test_a_failed_run_is_an_error_with_its_trace() -> None:
    """Its severity, its words and its trace context are those of a failure; numbers stay numbers."""
    run, point = map(record_of, endings(Outcome(reason="timeout", error_type="E", error_message="m")))
    assert (run.event, run.failed, run.body) == ("scheduling.job.run", True, "nightly: failed (timeout)")
    assert (run.trace_id.hex(), run.span_id.hex()) == (TRACE_ID, SPAN_ID)
    assert (point.event, point.failed, point.trace_id) == ("scheduling.job.failed", True, b"")
    attributes = {name.removeprefix("scheduling.job."): value for name, value in run.attributes.items()}
    assert attributes["measurement"] == "scheduling-job-run"
    assert (attributes["success"], attributes["duration"], attributes["reason"]) == (0.0, 1.5, "timeout")
    assert (attributes["error_type"], attributes["error_message"], attributes["host"]) == ("E", "m", "web-1")
    assert (attributes["trace_id"], attributes["span_id"]) == (TRACE_ID, SPAN_ID)
    assert isinstance(attributes["success"], float)


def test_a_good_end_is_none() -> None:
    """It is no failure, and has no reason."""
    run, point = map(record_of, endings(ENDED))
    assert (run.failed, point.failed, point.event, run.body) == (False, False, "scheduling.job.end", "nightly: end")
    assert "scheduling.job.reason" not in run.attributes


def test_a_record_tells_itself_from_others() -> None:
    """One that is sent twice has one id, and no two rows have the same."""
    assert record_of(START) == record_of(START)
    lines = [START, *endings(ENDED), *endings(Outcome(reason="lost"), duration_s=None)]
    assert len({record_of(line).attributes["log.record.uid"] for line in lines}) == len(lines)


@given(
    job=TEXTS,
    project=TEXTS,
    tag=st.sampled_from(["host.name", "tag.x", "name", "run_id", "measurement"]),
    text=TEXTS,
    outcome=st.just(ENDED)
    | st.builds(Outcome, reason=st.sampled_from(names.REASONS), error_type=TEXTS, error_message=TEXTS),
    duration_s=st.none() | st.floats(0, 1e9),
)
def test_the_row_can_be_made_again_from_the_record(
    job: str, project: str, tag: str, text: str, outcome: Outcome, duration_s: float | None
) -> None:
    """Whatever texts are in it, and whatever the user's own tags are called."""
    made = Series(job, DefaultTags(project=project, more=((tag, text),)))
    for line in [start_line(made, UUID, NOW).strip(b"\n"), *endings(outcome, made, duration_s)]:
        assert row_of(record_of(line)) == parse(line)


@pytest.mark.parametrize("line", [b"bad", b"m f=1", b"m f=1 -5", b"m,t=\xff f=1 1", b'm f="a 1'])
def test_what_is_no_row_is_no_record(line: bytes) -> None:
    """A line that can't be read, or has no time that a record can have."""
    with pytest.raises(LineProtocolError):
        record_of(line)


def test_ids_that_are_none_are_left_out_of_the_context() -> None:
    """A trace context is whole or not there; what the row says stays an attribute."""
    record = record_of(b'scheduling-job-run,job=j,status=end trace_id="xyz",span_id="b7ad6b7169203331" 1')
    assert (record.trace_id, record.span_id) == (b"", b"")
    assert record.attributes["scheduling.job.trace_id"] == "xyz"
