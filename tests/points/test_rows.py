"""The rows of a run."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point as ClientPoint

from otel_job_measure import names
from otel_job_measure.points.line_protocol import encode, lines, parse
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import clean_field, clean_tag
from tests.points.texts import NAMES, TEXTS, influxdb_lines

SERIES = Series("nightly", DefaultTags(datacenter="eu", project="billing", stage="production", more=(("sh", "x"),)))
UUID = "abcdefghijkm"
NOW = 1_800_000_000_123_456_007
FAILURES = st.builds(
    Outcome, reason=st.sampled_from(names.REASONS), error_type=st.none() | TEXTS, error_message=st.none() | TEXTS
)


GOOD = Ending(
    uuid=UUID,
    outcome=ENDED,
    end_ns=NOW,
    duration_s=1.5,
    host="web-1",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
)
CLIENT_POINT: Any = ClientPoint  # it has no types


def ending(series: Series, *, run_row: bool = True, error_message: bool = False, **values: Any) -> bytes:  # noqa: ANN401 - of any field
    """The rows of a run that ended well, unless `values` says otherwise."""
    return ending_lines(series, GOOD._replace(**values), run_row=run_row, error_message=error_message)


def test_a_start_is_one_row_of_the_old_measurement() -> None:
    """Exactly the tags and fields that existing dashboards read."""
    assert start_line(SERIES, UUID, NOW) == (
        b"scheduling-job,datacenter=eu,job=nightly,project=billing,sh=x,stage=production"
        b' status="start",uuid="abcdefghijkm" 1800000000123456007\n'
    )


def test_an_ending_is_a_run_row_and_then_a_row_of_the_old_measurement() -> None:
    """Both at the same time; the run row goes first, so that only it can be there without the other."""
    assert ending(SERIES).decode() == (
        "scheduling-job-run,datacenter=eu,job=nightly,project=billing,sh=x,stage=production,status=end"
        ' duration=1.5,host="web-1",span_id="b7ad6b7169203331",success=1.0,'
        'trace_id="0af7651916cd43dd8448eb211c80319c",uuid="abcdefghijkm" 1800000000123456007\n'
        "scheduling-job,datacenter=eu,job=nightly,project=billing,sh=x,stage=production"
        ' status="end",uuid="abcdefghijkm" 1800000000123456007\n'
    )


def test_a_failure_says_why() -> None:
    """Reason and error type, among the tags and fields in InfluxDB's order."""
    outcome = Outcome(reason="error", error_type="ValueError", error_message="a secret")
    run_row, old_row = ending(SERIES, outcome=outcome).decode().splitlines()
    assert run_row.startswith(
        "scheduling-job-run,datacenter=eu,job=nightly,project=billing,reason=error,sh=x,stage=production,status=failed"
        ' duration=1.5,error_type="ValueError",host="web-1",'
    )
    assert ",success=0.0," in run_row
    assert ' status="failed",' in old_row
    assert "secret" not in run_row + old_row


def test_the_message_of_an_error_is_written_where_it_was_asked_for() -> None:
    """It stands in the run row only, cut at 1 KiB."""
    outcome = Outcome(reason="error", error_message='no "x"\n' + "y" * 2000)
    run_row, old_row = (parse(line) for line in lines(ending(SERIES, outcome=outcome, error_message=True)))
    assert run_row.fields["error_message"] == 'no "x"\\n' + "y" * 1016
    assert "error_message" not in old_row.fields
    without = parse(lines(ending(SERIES, outcome=Outcome(reason="error"), error_message=True))[0])
    assert "error_message" not in without.fields


def test_without_run_rows_there_is_the_old_row_alone() -> None:
    """`OTEL_JOB_MEASURE_RUNS=off`."""
    assert ending(SERIES, run_row=False) == ending(SERIES).splitlines(keepends=True)[1]


def test_what_nobody_knows_is_left_out() -> None:
    """A lost run has no duration, a run without a sampled span no ids."""
    outcome = Outcome(reason="lost")
    run_row = parse(lines(ending(SERIES, outcome=outcome, duration_s=None, trace_id=None, span_id=None))[0])
    assert run_row.fields == {"host": "web-1", "success": 0.0, "uuid": UUID}
    assert run_row.tags["reason"] == "lost"


@pytest.mark.parametrize("duration", [0, 0.0, 1, 1e-9, 0.1 + 0.2, 1e22, 12345678.9])
def test_numbers_are_floats_for_influxdb(duration: float) -> None:
    """A whole number of seconds too: an integer would be a conflict of types for ever after."""
    run_row = parse(lines(ending(SERIES, duration_s=duration))[0])
    assert run_row.fields["duration"] == duration
    assert isinstance(run_row.fields["duration"], float)
    assert isinstance(run_row.fields["success"], float)


@pytest.mark.parametrize("duration", [math.nan, math.inf, -math.inf])
def test_a_duration_that_is_no_number_is_left_out(duration: float) -> None:
    """InfluxDB would refuse the row, and the run would be lost with it."""
    assert "duration" not in parse(lines(ending(SERIES, duration_s=duration))[0]).fields


@pytest.mark.parametrize("reason", ["my own, reason", "", "end\\"])
def test_a_reason_of_the_users_own_is_escaped(reason: str) -> None:
    """A rule of the user's own can come up with any word."""
    run_row = parse(lines(ending(SERIES, outcome=Outcome(reason=reason)))[0])
    assert run_row.tags["reason"] == clean_tag(reason or "error")
    assert run_row.tags["status"] == "failed"


SCHEDULED: dict[str, Any] = {"attempt": 2, "lag_s": 0.25, "queued_s": 3, "trigger": "schedule", "task_id": "t-1"}


def test_a_scheduler_knows_more_of_a_run() -> None:
    """Attempt, lag, queued, task id and trigger stand among the other fields, in InfluxDB's order."""
    run_row, old_row = ending(SERIES, **SCHEDULED).decode().splitlines()
    assert run_row.partition(" ")[2] == (
        'attempt=2i,duration=1.5,host="web-1",lag=0.25,queued=3.0,span_id="b7ad6b7169203331",success=1.0,'
        'task_id="t-1",trace_id="0af7651916cd43dd8448eb211c80319c",trigger="schedule",uuid="abcdefghijkm" '
        "1800000000123456007"
    )
    assert parse(old_row.encode()).fields == {"status": "end", "uuid": UUID}


@pytest.mark.parametrize("attempt", [2**63, -(2**63) - 1])
def test_an_attempt_that_influxdb_cannot_hold_is_left_out(attempt: int) -> None:
    """InfluxDB would refuse the row, and the run would be lost with it."""
    assert "attempt" not in parse(lines(ending(SERIES, attempt=attempt))[0]).fields


@pytest.mark.parametrize("reason", ["retry", "rejected", "revoked", "skipped"])
def test_an_attempt_that_says_nothing_of_the_job_has_no_success(reason: str) -> None:
    """Its status is failed; the mean of `success` counts jobs, not attempts."""
    run_row, old_row = (parse(line) for line in lines(ending(SERIES, outcome=Outcome(reason=reason))))
    assert (run_row.tags["status"], run_row.tags["reason"], old_row.fields["status"]) == ("failed", reason, "failed")
    assert "success" not in run_row.fields


@given(
    job=TEXTS,
    outcome=st.just(ENDED) | FAILURES,
    uuid=TEXTS,
    host=TEXTS,
    duration=st.none() | st.floats(0, 1e9),
    trace_id=st.none() | TEXTS,
    more=st.sampled_from(["!", "host.name", "reas", "reasons", "stats", "statuses", "z"]),
)
def test_an_ending_holds_any_texts_in_two_lines(
    job: str, outcome: Outcome, uuid: str, host: str, duration: float | None, trace_id: str | None, more: str
) -> None:
    """InfluxDB finds both lines, what it reads is what was meant, and all is in the order that it has it in."""
    data = ending(
        Series(job, DefaultTags(project="p", stage="s", more=((more, "x"),))),
        uuid=uuid,
        outcome=outcome,
        duration_s=duration,
        host=host,
        trace_id=trace_id,
        error_message=True,
    )
    assert influxdb_lines(data) == [*lines(data), b""]
    run_row, old_row = (parse(line) for line in lines(data))
    assert [encode(run_row), encode(old_row)] == lines(data)
    texts = {
        "host": host,
        "trace_id": trace_id,
        "span_id": "b7ad6b7169203331",
        "error_type": outcome.error_type,
        "error_message": outcome.error_message,
    }
    expected: dict[str, Any] = {name: clean_field(value) for name, value in texts.items() if value}
    expected |= {"uuid": clean_field(uuid)}
    if outcome.success is not None:
        expected["success"] = outcome.success
    assert run_row.fields == (expected if duration is None else expected | {"duration": duration})
    assert old_row.fields == {"uuid": clean_field(uuid), "status": outcome.status}
    assert old_row.tags == {key: value for key, value in run_row.tags.items() if key not in {"status", "reason"}}
    assert run_row.time_ns == old_row.time_ns == NOW


@given(job=TEXTS, host=TEXTS, error_type=TEXTS)
def test_rows_are_those_of_influxdbs_own_client(job: str, host: str, error_type: str) -> None:
    """The client writes the same for clean texts, except that it writes `1` for `1.0`."""
    tags = {"job": clean_tag(job) or "unnamed", "project": "p"}
    series = Series(tags["job"], DefaultTags(project="p"))
    assert start_line(series, UUID, NOW).decode() == _by_client("scheduling-job", tags, status="start", uuid=UUID)
    outcome = Outcome(reason="error", error_type=error_type)
    run_row, old_row = ending(series, outcome=outcome, host=host, trace_id=None, span_id=None).splitlines(keepends=True)
    fields: dict[str, object] = {"duration": 1.5, "success": 0.0, "uuid": UUID, "host": clean_field(host) or None}
    fields["error_type"] = clean_field(error_type) or None
    expected = _by_client("scheduling-job-run", tags | {"status": "failed", "reason": "error"}, **fields)
    assert run_row.decode() == expected.replace(",success=0,", ",success=0.0,").replace(" success=0,", " success=0.0,")
    assert old_row.decode() == _by_client("scheduling-job", tags, status="failed", uuid=UUID)


def _by_client(measurement: str, tags: dict[str, str], **fields: object) -> str:
    point = CLIENT_POINT(measurement)
    for key, value in tags.items():
        point.tag(key, value)
    for key, field in fields.items():
        point.field(key, field)
    return f"{point.time(NOW).to_line_protocol()}\n"


def test_every_nasty_name_has_a_line() -> None:
    """The corpus that goes to the real server elsewhere."""
    data = b"".join(start_line(Series(job, DefaultTags()), UUID, NOW) for job in NAMES)
    assert data.count(b"\n") == len(NAMES) == len(lines(data))
