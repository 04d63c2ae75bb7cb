"""Files of the state directory, handles of runs and parents of spans that others have written."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_job_measure.cli.exec.span import RunSpan
from otel_job_measure.entrypoints.run_handle import RunHandle, run_of
from otel_job_measure.errors import ScheduleError, UsageError
from otel_job_measure.expectations import schedules
from otel_job_measure.journal.dead_letters import dead_letters, discard, retry
from otel_job_measure.journal.interfaces import Identity
from otel_job_measure.journal.private_files import open_private
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import ending_lines
from otel_job_measure.testing import ManualClock
from tests.fuzz.examples import JSONS, LINES, ROW, RUN, fuzzed

US: Final = Identity(host="h", boot_id="b", destination="d", label="D", runs=True)
HEADER: Final = {"format": 1, "host": "h", "boot": "b", "slot": 7, "ordinal": 0, "created": 1, "destination": "d"}
LETTERS: Final = st.lists(
    st.one_of(LINES, st.sampled_from([b"# 2026-11-29T00:00:00Z no\n", b"# \xff\n", b"# file x-1.lp 5\n"])), max_size=6
).map(b"".join)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the log of thousands of examples out of the report."""
    monkeypatch.setattr(logging.getLogger("otel_job_measure"), "disabled", True)


def header(values: dict[str, object]) -> bytes:
    """Returns the first line of a segment with other values."""
    return b"# otel-job-measure " + json.dumps({**HEADER, "label": "D", "runs": True, **values}).encode() + b"\n"


def put(path: Path, data: bytes) -> None:
    """Writes a file as this package would."""
    descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


@given(st.dictionaries(st.sampled_from(sorted(HEADER)), JSONS), LETTERS, st.booleans())
@fuzzed
def test_dead_letters(values: dict[str, object], data: bytes, again: bool) -> None:  # noqa: FBT001 - of Hypothesis
    """Each line is listed once; it can be deleted, or put back so that a shipper reads the same bytes."""
    with TemporaryDirectory() as folder:
        state = StateDir(Path(folder) / "s")
        state.make()
        put(state.rejected / "d-0.lp", (header(values) if values else b"") + data)
        letters, sizes = dead_letters(state)
        wanted = [line for line in data.split(b"\n") if line and not line.startswith(b"#")]
        assert sorted(letter.line for letter in letters) == sorted(wanted)
        count = retry(state, US) if again else discard(state, sizes)
        assert count == len(letters)
        assert dead_letters(state)[0] == []
        if again:
            read = b"".join(segment.read(0, 1 << 20) for segment in state.ready_segments("d"))
            assert all(line in read for line in wanted[:-1])


@given(
    st.dictionaries(st.sampled_from([*HEADER, "label", "runs"]), st.one_of(JSONS, st.integers(10**18, 10**30))), LINES
)
@fuzzed
@example({"created": 10**30, "slot": -(10**30)}, ROW)
@example({"boot": "b"}, b'scheduling-job-run,uuid="x",job=a x=1 5\n')
@example({}, RUN)
def test_recovery(values: dict[str, object], data: bytes) -> None:
    """The slot of a process that is gone is emptied, and what is appended are rows with a time that servers take."""
    with TemporaryDirectory() as folder:
        state = StateDir(Path(folder) / "s")
        state.make()
        slot = state.slots / "007"
        slot.mkdir(mode=0o700)
        put(slot / "lock", b"")
        put(slot / "d-0.lp", header(values) + data)
        clock = ManualClock()
        clock.advance(3600)
        recover_slots(state, clock=clock, boot_id="b")
        recover_slots(state, clock=clock, boot_id="b")
        for segment in state.ready_segments():
            before = (header(values) + data).rfind(b"\n") + 1
            for line in segment.read(0, 1 << 20)[before:].splitlines():
                if not line.startswith(b"#"):
                    time_ns = parse(line).time_ns
                    assert time_ns is not None
                    assert -(2**63) <= time_ns < 2**63
        assert not [path for path in slot.iterdir() if path.suffix == ".lp"] or values.get("boot", "b") != "b"


VALUES: Final = {
    **{name: st.one_of(st.text(max_size=8), JSONS) for name in ("uuid", "job", "trigger", "task_id")},
    **{name: st.one_of(st.integers(), JSONS) for name in ("start_ns", "attempt", "scheduled_ns", "queued_ns")},
    "tags": st.one_of(st.lists(st.lists(st.text(max_size=4), min_size=2, max_size=2), max_size=3), JSONS),
    "trace_id": st.one_of(st.just("a" * 32), st.text("0123456789abcdef_-x ", max_size=33), JSONS),
    "span_id": st.one_of(st.just("b" * 16), st.text("0123456789abcdef_-x ", max_size=17), JSONS),
    "is_measured": JSONS,
}
GOOD: Final = {"uuid": "abcdefghijkm", "job": "j", "start_ns": 1_800_000_000_000_000_000}


@given(st.one_of(st.fixed_dictionaries({}, optional=VALUES).map(lambda values: json.dumps(GOOD | values)), st.text()))
@fuzzed
@example("[" * 100_000)
@example('{"uuid":"a","job":"j","start_ns":' + "9" * 5000 + "}")
def test_handles_of_runs(text: str) -> None:
    """A text is refused at once, or it is a handle, and the ending of its run is two lines that servers take."""
    try:
        handle = RunHandle.from_json(text)
    except UsageError as error:
        assert len(str(error)) < 500  # noqa: PT017 - one of two ways
        return
    assert RunHandle.from_json(handle.to_json()) == handle
    run = run_of(handle)
    assert run.job is not None
    ending = Ending(run.uuid, Outcome(reason="error"), run.start_ns + 1000, attempt=run.details.attempt)
    lines = ending_lines(run.job.series, ending, run_row=True, error_message=True)
    for line in lines.removesuffix(b"\n").split(b"\n"):
        time_ns = parse(line).time_ns
        assert time_ns is not None
        assert abs(time_ns) < 2**63
    assert lines.count(b"\n") == 2


PARENTS: Final = st.one_of(
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=80),
    st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?", fullmatch=True),
)


@given(PARENTS, st.one_of(st.text("ab=,;@ \n\t-é", max_size=60), st.just("a=1," * 200)))
@fuzzed
def test_parents_of_spans(parent: str, state: str) -> None:
    """A parent is taken or ignored, and what the command gets is one in the form of the standard."""
    before = {name: os.environ.get(name) for name in ("TRACEPARENT", "TRACESTATE")}
    os.environ.update(TRACEPARENT=parent, TRACESTATE=state)
    try:
        span = RunSpan("none")
        run = run_of(RunHandle(uuid="a", job="j", start_ns=1))
        assert run.job is not None
        span.start(run, run.job)
        variables = span.variables()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
    version, trace_id, span_id, flags = variables[b"TRACEPARENT"].split(b"-")
    assert (len(version), len(trace_id), len(span_id), len(flags)) == (2, 32, 16, 2)
    assert b"\n" not in variables[b"TRACESTATE"]


@given(st.one_of(st.text("0123456789*/,-? LWMONFRI#@daily:.~\n", max_size=40), st.text(max_size=20)))
@fuzzed
@example("*/" + "9" * 5000 + " * * * *")
@example(("1," * 50_000) + "1 * * * *")
def test_schedules(text: str) -> None:
    """A text is a schedule, or is refused in the package's own words."""
    try:
        schedules.parse(text, "UTC", datetime(2026, 11, 29, tzinfo=UTC), None)
    except ScheduleError as error:
        assert str(error)  # noqa: PT017 - one of two ways
