"""The table of runs: it fits, and what tells runs apart is never cut."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from otel_job_measure.cli.columns import table
from otel_job_measure.cli.table import print_runs, run_columns
from otel_job_measure.cli.terminal import shortened
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


NOW_NS = 1_800_003_600_000_000_000


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes stdout a terminal of a width, without colours."""

    def wide(columns: int) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", "50")

    return wide


def test_a_table_has_a_line_for_each_run(capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None]) -> None:
    """What is not known is left empty, an open run shows its age, and people read `ok` for `end`."""
    terminal(80)
    started = f"{datetime.fromtimestamp(1_800_000_000, UTC).astimezone():%m-%d %H:%M:%S}"
    print_runs(
        [
            replace(RUN, job="import", status=RUNNING, reason=None, duration_s=None, ended_ns=None),
            replace(RUN, status="end", reason=None, duration_s=0.012),
            replace(RUN, job="report [red]", uuid="zyxwvutsrqpn", started_ns=None),
        ],
        NOW_NS,
    )
    lines = [line.rstrip().split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [[cell.strip() for cell in line if cell] for line in lines] == [
        ["job", "started", "took", "status", "reason", "uuid"],
        ["import", started, "1h 00m", "running", "abcdefghijkm"],
        ["nightly", started, "12 ms", "ok", "abcdefghijkm"],
        ["report [red]", "59m 59s", "failed", "cancelled", "zyxwvutsrqpn"],
    ]


def test_a_far_time_has_its_year(capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None]) -> None:
    """A run that a wrong clock has put into the future has not taken any time yet."""
    terminal(120)
    far = 7_258_204_800_000_000_000
    running = replace(RUN, status=RUNNING, reason=None, duration_s=None, ended_ns=None, started_ns=far)
    print_runs([running, replace(RUN, started_ns=-(10**18))], NOW_NS)
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:4] == ["nightly", "2200-01-02", first.split()[2], "running"]
    assert second.split()[1] == "1938-04-24"


def test_a_pipe_gets_all_columns_and_whole_names(capsys: pytest.CaptureFixture[str]) -> None:
    """They never move: a value that is unknown is a dash."""
    print_runs([replace(RUN, job="a" * 60), replace(RUN, project="p", stage="s", host="web-1")], NOW_NS)
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == [
        *("job", "started", "took", "late", "status", "reason", "error", "host", "project", "attempt", "uuid")
    ]
    assert first.split()[0] == "a" * 60
    assert re.split(r"  +", second.rstrip())[4:] == [*("failed", "cancelled", "-", "web-1", "p/s", "-", "abcdefghijkm")]
    assert re.split(r"  +", second.rstrip())[3] == "-"


def test_a_narrow_terminal_loses_columns_in_a_known_order(
    capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None]
) -> None:
    """The job, the times, the status and the id are always there."""
    run = replace(RUN, project="p", stage="s", host="web-1", lag_s=2.5, attempt=3, error_type="ValueError")
    found: dict[int, list[str]] = {}
    for width in (60, 80, 100, 140):
        terminal(width)
        print_runs([run], NOW_NS)
        heading, line = capsys.readouterr().out.splitlines()
        assert max(cell_len(heading), cell_len(line)) <= width
        found[width] = heading.split()
    assert found == {
        60: ["job", "started", "took", "status", "uuid"],
        80: ["job", "started", "took", "status", "reason", "attempt", "uuid"],
        100: ["job", "started", "took", "late", "status", "reason", "error", "attempt", "uuid"],
        140: [*("job", "started", "took", "late", "status", "reason", "error", "host", "project", "attempt", "uuid")],
    }


@given(jobs=st.lists(TEXTS, min_size=1, max_size=4))
def test_any_name_fits_80_columns(jobs: list[str]) -> None:
    """Names give way, whatever is in them, and the id stands at the end of each line, whole."""
    out = io.StringIO()
    where = Console(file=out, force_terminal=True, color_system=None, width=80)
    where.print(table(where, run_columns([replace(RUN, job=job) for job in jobs], NOW_NS)), crop=False)
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + len(jobs)
    assert max(cell_len(line) for line in lines) <= 80
    assert all(line.endswith("abcdefghijkm") for line in lines[1:])


def test_a_long_id_of_somebody_else_loses_its_middle(
    capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None]
) -> None:
    """The table fits all the same, and the other rows keep their names; `--json` has the whole id."""
    terminal(80)
    print_runs([replace(RUN, job="nightly", uuid=f"begin{'x' * 60}end"), replace(RUN, uuid="y" * 22)], NOW_NS)
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
        (-5.0, "-5.00 s"),
    ],
)
def test_a_duration_is_told_in_the_unit_that_tells_most(duration_s: float | None, text: str) -> None:
    """Each fits seven columns, also where rounding carries it into the next unit."""
    assert took(duration_s) == text
    assert len(text) <= 7
