"""The text of a report, on a terminal and in a mail: it is as wide as there is room, whatever the names."""

import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from otel_job_measure.insight.report import words
from otel_job_measure.insight.report.text import text
from tests.insight.made import run
from tests.insight.report.made import daily, of


def test_wide_and_long_names_keep_the_columns() -> None:
    """A table of the terminal is as wide as it, whatever the names."""
    names = ("ü" * 200, "日本語" * 50, "n" * 1024, "a\u0301" * 90)
    found = of(*(replace(run(-100, -90, uuid=str(n)), job=name) for n, name in enumerate(names)))
    for width in (60, 80, 120):
        table = text(found, width).split("All jobs\n--------\n")[1]
        assert {cell_len(line.rstrip()) <= width for line in table.splitlines()} == {True}


def test_no_line_is_wider_than_the_terminal() -> None:
    """Wide letters count as two columns, accents as none, and an error of 1 KiB loses its middle."""
    odd = ("日本語" * 50, "a\u0301" * 90, "n" * 1024, "two words " * 30)
    found = of(*(replace(run(-100, -90, uuid=name, reason="error", error_type=name), job=name) for name in odd))
    for width in (80, 100):
        assert max(map(cell_len, text(found, width).splitlines())) <= width
    assert f"error: {'n' * 50}…{'n' * 50}" in text(found, 1000)
    assert "a\u0301" * 20 in text(found, 80)


def test_jobs_that_are_alike_are_told_apart_by_the_end_of_their_names() -> None:
    """The project of a job with a name of its own gives way to the name; two of one name keep theirs."""
    ids = ((f"{'send' * 9}-1", "shop"), (f"{'send' * 9}-2", "shop"), ("x", "one"), ("x", "two"))
    found = of(*(replace(run(-100, -90, uuid=f"{a}{b}"), job=a, project=b, stage=None) for a, b in ids))
    table = text(found, 60).split("All jobs\n--------\n")[1]
    names = [re.split("  +", line)[1] for line in table.splitlines()[1:]]
    assert names == [*(f"sendsendsendse…dsendsendsend-{n}" for n in (1, 2)), "x (one)", "x (two)"]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (60, "state job runs failed success"),
        (80, "state job runs failed success p50 last success"),
        (90, "state job runs failed success p50 p95 last success"),
    ],
)
def test_columns_give_way_to_names(width: int, columns: str) -> None:
    """Which job it is can be read in a mail and on a narrow terminal."""
    found = of(*daily("payments-reconcile", 10, 7, 0), *daily("x", 4000, 7, 0, failing=1))
    table = text(found, width).split("All jobs\n--------\n")[1]
    assert table.split("\n")[0].split() == columns.split()
    assert "payments-reconcile" in table


def test_escapes_and_projects_do_not_fill_the_screen() -> None:
    """A name of 1 KiB is cut behind its escapes, which take up to ten columns each, and a project sooner."""
    odd = replace(run(-100, -90), job="\U000e0001" * 256, project="p" * 1024, stage="s" * 1024)
    assert len(words.name(odd.job_id)) <= 200
    assert f"({'p' * 20}…{'p' * 20}, {'s' * 20}…{'s' * 20})" in text(of(odd), 400)
