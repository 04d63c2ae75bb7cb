import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.chart import chart
from benchmarks.docs import PAGES, filled, publish, texts
from benchmarks.report import Report, plain
from benchmarks.tables import Column, Part, Table, at_least, at_most

DOCS = Path(__file__).parents[2] / "docs"
TABLE = Table(
    name="peers",
    title="Who waits",
    columns=(Column(title="", unit="text"), Column(title="a stub, p50", unit="us"), Column(title="n", unit="count")),
    rows=(("ours", 12_345.0, 1000), ("another", None, 7)),
)


def report(*tables: Table, command: str = "make bench", name: str = "part") -> Report:
    """Returns what a command would have found."""
    part = Part(tables=tables, verdicts=(at_most("waiting", 2.0, 1.2, "times"),), made=command)
    machine = {"processor": "P", "cores": "2", "memory": "1 GiB", "system": "S", "load before": "0.0"}
    return Report(command=command, date="2026-11-27", machine=machine, versions={}, parts={name: part})


def test_numbers_go_between_their_markers() -> None:
    """Only what stands between the markers of a table that was made is replaced."""
    page = "a\n<!-- bench:one -->\nold\n<!-- /bench:one -->\nb\n<!-- bench:two -->\nkept\n<!-- /bench:two -->\n"
    assert filled(page, {"one": "new"}) == page.replace("old", "new")
    assert filled(filled(page, {"one": "new"}), {"one": "new"}) == filled(page, {"one": "new"})


def test_a_report_survives_json() -> None:
    """What is read back from JSON is what was found."""
    found = report(TABLE)
    assert Report.from_object(json.loads(json.dumps(found.as_object()))) == found


def test_publishing_keeps_what_was_not_measured_again(tmp_path: Path) -> None:
    """A second command that measures one part leaves the others' numbers, each with its own command."""
    (tmp_path / "performance.md").write_text("<!-- bench:peers -->\n<!-- /bench:peers -->\n")
    publish(report(TABLE), tmp_path)
    publish(report(command="later", name="other"), tmp_path)
    kept = Report.from_object(json.loads((tmp_path / "performance.json").read_text()))
    assert {name: part.made for name, part in kept.parts.items()} == {"part": "make bench", "other": "later"}
    assert "| ours | 12.3 µs | 1,000 |\n| another | – | 7 |" in (tmp_path / "performance.md").read_text()  # noqa: RUF001 - how nothing is written


def test_the_page_is_dated_by_what_most_of_it_comes_from() -> None:
    """What takes too long for the command that measures all the rest, and single questions, change no date."""
    whole, seldom = report(name="often", command="make bench"), report(name="seldom", command="make bench-long")
    whole = replace(whole, parts={name: replace(whole.parts["often"], made=whole.line) for name in ("often", "other")})
    kept = whole.updated(seldom)
    assert kept.command == "make bench"
    assert set(kept.parts) == {"often", "other", "seldom"}
    again = kept.updated(replace(whole, date="2026-12-01"))
    assert again.date == "2026-12-01"
    assert again.parts["seldom"] == seldom.parts["seldom"]


def test_a_chart_shows_each_value() -> None:
    """The chart is well-formed, and a name with markup in it stays text."""
    root = ET.fromstring(chart("t", [("ours", 1000.0), ("a <b>", 1e6)]))  # noqa: S314 - our own
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words == ["t", "ours", "1.00 µs", "a <b>", "1,000 µs"]


def test_bounds_belong_to_what_they_allow() -> None:
    """A value that is just the bound meets its target."""
    assert at_most("", 1.2, 1.2, "times").met
    assert at_least("", 80.0, 80.0, "percent").met
    assert not at_most("", 1.3, 1.2, "times").met
    assert not at_least("", 79.0, 80.0, "percent").met


def test_a_terminal_gets_columns() -> None:
    """Numbers stand under each other, at the right."""
    assert plain(TABLE).splitlines()[2:] == ["ours         12.3 µs  1,000", "another            –      7"]  # noqa: RUF001 - as above


@pytest.mark.parametrize(("name", "pages"), [("performance", PAGES), ("scale", ("scale.md",))])
def test_the_pages_have_what_the_command_found(name: str, pages: Sequence[str]) -> None:
    """Each table of the JSON has its place on a page, with those very numbers."""
    found = texts(Report.from_object(json.loads((DOCS / f"{name}.json").read_text())))
    written = [(DOCS / page).read_text() for page in pages]
    places = set(re.findall(r"<!-- bench:([\w-]+) -->", "".join(written)))
    assert places >= {place for place in found if place != "targets" or name == "performance"}
    assert [filled(page, found) for page in written] == written
