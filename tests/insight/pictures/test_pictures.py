"""The pictures: each says the same as the table behind it, whatever it is given."""

import math
import re
import xml.etree.ElementTree as ET
from datetime import UTC
from typing import Final

import pytest

from otel_job_measure.insight.pictures.bars import Bar, bars
from otel_job_measure.insight.pictures.kinds import FAILED, KINDS, MISSED, OK, OPEN
from otel_job_measure.insight.pictures.picture import Picture
from otel_job_measure.insight.pictures.scales import Logarithm, Times
from otel_job_measure.insight.pictures.scatter import Mark, scatter
from otel_job_measure.insight.pictures.sparkline import sparkline
from otel_job_measure.insight.pictures.strip import strip
from otel_job_measure.insight.pictures.timeline import Stretch, timeline
from tests.insight.made import DAY, HOUR, at

HOSTILE: Final = "<script>alert(1)</script>\x1b[31m\u202e&\"'"
WEEK: Final = Times(from_ns=at(0), until_ns=at(7 * DAY), zone=UTC)
SVG: Final = "{http://www.w3.org/2000/svg}"


def element(svg: str) -> ET.Element:
    """Returns a picture as XML, which fails if it is none."""
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314 - our own


def classes(picture: Picture) -> list[str]:
    """Returns the groups in the order in which they are drawn."""
    return [each.attrib["class"] for each in element(picture.svg).iter(f"{SVG}g")]


def test_a_gap_is_drawn_with_its_number_and_under_the_runs() -> None:
    """A run that came late is seen in its gap."""
    found = [Stretch(MISSED, at(DAY), at(3 * DAY), 4), Stretch(OK, at(3 * DAY), at(3 * DAY + 60)), *runs(0, 6)]
    picture = timeline(found, WEEK, "When it ran")
    drawn = classes(picture)
    assert drawn.index("missed") < drawn.index("ok")
    assert ">4</text>" in picture.svg
    assert "3 ok, 4 missed." in picture.svg
    assert picture.head == ("from", "ok", "missed")
    assert [row[0][:10] for row in picture.rows] == ["2026-09-21", "2026-09-22", "2026-09-24", "2026-09-27"]


def runs(*days: float) -> list[Stretch]:
    """Returns runs of a minute."""
    return [Stretch(OK, at(day * DAY), at(day * DAY + 60)) for day in days]


def test_what_is_outside_of_the_time_is_not_drawn() -> None:
    """Times before 1970 and far ahead neither, and they count nowhere."""
    far = [Stretch(OK, -(10**18), -(10**18) + 1), Stretch(OPEN, 4 * 10**18, 5 * 10**18)]
    picture = timeline(far, WEEK, "When it ran")
    assert "Nothing is known of this time." in picture.svg
    assert picture.rows == []


def test_marks_that_would_touch_are_one() -> None:
    """A million runs are no more marks than a picture has places."""
    many = [Stretch(OK, at(number), at(number + 1)) for number in range(0, int(7 * DAY), 60)]
    picture = timeline(many, WEEK, "When it ran")
    assert picture.svg.count("<rect") <= 720
    dots = scatter([Mark(at(number), 1.0, OK) for number in range(0, int(7 * DAY), 60)], WEEK, "How long it took", {})
    assert dots.svg.count("<circle") <= 301
    assert "10,080 runs" in dots.svg


def test_the_longer_run_is_higher() -> None:
    """On a log scale: from 1 s to 10 s is as far as from 10 s to 100 s."""
    scale = Logarithm([1.0, 100.0], 0, 100)
    assert scale.y(100) < scale.y(10) < scale.y(1)
    assert math.isclose(scale.y(1) - scale.y(10), scale.y(10) - scale.y(100))


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0.0],
        [1e-9],
        [1e-6, 1e-5],
        [0.02],
        [3.4, 5.1],
        [41.9, 66.0],
        [1900.0],
        [86_400.0],
        [1e7],
        [1e-6, 1e7],
        [1e300],
    ],
)
def test_each_scale_has_lines_with_names_of_their_own(values: list[float]) -> None:
    """Two to five of them, in ascending order, whatever the values are."""
    ticks = Logarithm(values, 10, 160).ticks()
    assert len(ticks) <= 5
    assert len(ticks) >= 2 or values == [1e300]
    assert len({label for _, label in ticks}) == len(ticks)
    assert [y for y, _ in ticks] == sorted((y for y, _ in ticks), reverse=True)


def test_no_line_stands_where_another_one_does() -> None:
    """What is below the least duration has no line, because it would stand at that duration."""
    ticks = Logarithm([0.0], 10, 160, least=1e-3).ticks()
    assert [label for _, label in ticks] == ["1 ms", "2 ms"]
    assert len({y for y, _ in ticks}) == 2


def test_one_run_is_said_as_one() -> None:
    """It has no range."""
    picture = scatter([Mark(at(DAY), 5.0, FAILED)], WEEK, "How long it took", {"p50": 5.0})
    assert picture.said == "1 run, 5.00 s, p50 5.00 s."


def test_lines_and_failures_are_told_apart() -> None:
    """A failed run is a square, and p50 and p95 are lines with names."""
    marks = [Mark(at(DAY), 1.0, OK), Mark(at(2 * DAY), 3.0, FAILED), Mark(at(3 * DAY), math.nan, OK)]
    picture = scatter(marks, WEEK, "How long it took", {"p50": 1.0, "p95": 3.0})
    assert picture.svg.count("<circle") == 1
    assert picture.svg.count("<rect") == 1
    assert ">p50 1.00 s</text>" in picture.svg
    assert ">p95 3.00 s</text>" in picture.svg
    assert "2 runs, from 1.00 s to 3.00 s, p50 1.00 s, p95 3.00 s." in picture.svg
    assert [row[1:] for row in picture.rows] == [
        ("1", "1.00 s", "1.00 s", "1.00 s"),
        ("1", "3.00 s", "3.00 s", "3.00 s"),
    ]


def test_bars_are_as_long_as_their_counts() -> None:
    """The first ones are drawn, and the table has all."""
    picture = bars([Bar(f"error {each}", 10 - each, "today") for each in range(10)], "Why it failed", most=4)
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%" height="8"', picture.svg)]
    assert widths == [100.0, 90.0, 80.0, 70.0]
    assert len(picture.rows) == 10
    assert picture.said.endswith("error 3: 7; and 6 more in the table.")


def test_no_text_acts() -> None:
    """Names are escaped in picture and table, and what would not show is written out."""
    found = [
        timeline(runs(1), WEEK, HOSTILE).html(),
        scatter([Mark(at(HOUR), 1.0, OK)], WEEK, HOSTILE, {HOSTILE: 1.0}).html(),
        bars([Bar(HOSTILE, 1, HOSTILE)], HOSTILE).html(),
        strip(list(KINDS), HOSTILE),
        sparkline([1.0, 2.0], HOSTILE),
    ]
    for each in found:
        assert "<script" not in each
        assert not set("\x1b\u202e") & set(each)
        svg = each[each.index("<svg") : each.index("</svg>") + 6]
        assert element(svg).find(f"{SVG}title") is not None
        assert element(svg).find(f"{SVG}desc") is not None
