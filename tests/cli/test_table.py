"""The table of runs: it fits, and what tells runs apart is never cut."""

import contextlib
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from otel_job_measure.cli.table import print_runs, shortened
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.words import took
from otel_job_measure.printable import printable
from tests.points.texts import TEXTS

RUN = RunRecord(
    uuid="abcdefghijkm",
    job="nightly",
    datacenter=None,
    project=None,
    stage=None,
    tags={},
    started_ns=1_800_000_000_000_000_000,
    ended_ns=1_800_003_599_000_000_000,
    status="failed",
    reason="cancelled",
    duration_s=3599.0,
    host=None,
    trace_id=None,
    span_id=None,
    error_type=None,
    error_message=None,
)


def test_a_table_has_a_line_for_each_run(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not known is left empty, and nothing but text comes where the output is no terminal."""
    started = f"{datetime.fromtimestamp(1_800_000_000, UTC).astimezone():%m-%d %H:%M:%S}"
    print_runs(
        [
            replace(RUN, job="import", status=RUNNING, reason=None, duration_s=None),
            replace(RUN, status="end", reason=None, duration_s=0.012),
            replace(RUN, job="report [red]", uuid="zyxwvutsrqpn", started_ns=None),
        ]
    )
    lines = [line.rstrip().split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [[cell.strip() for cell in line if cell] for line in lines] == [
        ["job", "started", "took", "status", "reason", "uuid"],
        ["import", started, "running", "abcdefghijkm"],
        ["nightly", started, "12 ms", "end", "abcdefghijkm"],
        ["report [red]", "59m 59s", "failed", "cancelled", "zyxwvutsrqpn"],
    ]


def test_what_a_scheduler_told_has_columns_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """They appear if one of the runs has a value."""
    print_runs([RUN, replace(RUN, lag_s=2.5, attempt=3)])
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["job", "started", "took", "late", "status", "reason", "attempt", "uuid"]
    assert first.split()[-3:] == ["failed", "cancelled", "abcdefghijkm"]
    assert second.split()[-6:] == ["2.50", "s", "failed", "cancelled", "3", "abcdefghijkm"]


@given(jobs=st.lists(TEXTS, min_size=1, max_size=4))
def test_any_name_fits_80_columns(jobs: list[str]) -> None:
    """Names give way, whatever is in them, and the id stands at the end of each line, whole."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print_runs([replace(RUN, job=job) for job in jobs])
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + len(jobs)
    assert max(cell_len(line) for line in lines) <= 80
    assert all(line.endswith("abcdefghijkm") for line in lines[1:])


def test_a_long_id_of_somebody_else_loses_its_middle(capsys: pytest.CaptureFixture[str]) -> None:
    """The table fits all the same, and the other rows keep their names; `--json` has the whole id."""
    print_runs([replace(RUN, job="nightly", uuid=f"begin{'x' * 60}end"), replace(RUN, uuid="y" * 22)])
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("beginxxxxxx…xxxxxxxend")
    assert second.endswith(f"cancelled  {'y' * 22}")
    assert max(cell_len(line) for line in (first, second)) <= 80
    assert first.startswith("nightly ")


@given(text=TEXTS, width=st.integers(8, 40))
def test_a_shortened_name_keeps_its_ends(text: str, width: int) -> None:
    """It is at most so wide, and begins and ends as the name does."""
    short = shortened(text, width)
    assert cell_len(short) <= width
    assert short.isprintable()
    whole = printable(text)
    if short != whole:
        head, tail = short.split("…")[0].rstrip(), short.split("…")[-1].lstrip()
        assert whole.startswith(head)
        assert whole.endswith(tail)


def test_what_does_something_to_a_terminal_is_shown_instead() -> None:
    """A job's name can't colour the screen or move the cursor."""
    assert printable("a\x1b[31mb\n\x07ü報") == "a\\x1b[31mb\\n\\x07ü報"


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (None, ""),
        (0.0, "0 µs"),
        (0.0009994, "999 µs"),
        (0.0009996, "1.0 ms"),
        (0.00123, "1.2 ms"),
        (0.00996, "10 ms"),
        (0.123, "123 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (59.994, "59.99 s"),
        (59.996, "1m 00s"),
        (3599.4, "59m 59s"),
        (3599.6, "1h 00m"),
        (86_399.6, "1d 00h"),
        (86_400 * 29 + 3600 * 23, "29d 23h"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_tells_most(duration_s: float | None, text: str) -> None:
    """Each fits seven columns, also where rounding carries it into the next unit."""
    assert took(duration_s) == text
    assert len(text) <= 7
