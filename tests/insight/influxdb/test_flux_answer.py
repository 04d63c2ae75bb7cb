"""An answer of Flux is read by its columns, whatever stands in them."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.insight.influxdb import flux_answer
from otel_job_measure.insight.influxdb.ask import TooManyRowsError

_HEADER = ("", "result", "table", "_time", "_value", "_field", "_measurement", "job", "table")
_TYPES = ("#datatype", "string", "long", "dateTime:RFC3339", "string", "string", "string", "string", "string")
_AT = "2026-01-01T00:00:00.{:09}Z"
_AT_NS = 1_767_225_600_000_000_000
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)


def lines(*rows: Sequence[str]) -> list[str]:
    """Returns the lines of CSV as they come, each without the newline that ends it, and the empty one at the end."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().split("\n")


def row(at: int, value: str, field: str = "uuid", job: str = "j", tag: str = "") -> tuple[str, ...]:
    """Returns a row of a table."""
    return "", "_result", "0", _AT.format(at), value, field, "m", job, tag


def columns(answer: Sequence[str]) -> dict[flux_answer.Series, dict[int, object]]:
    """Returns the whole columns of an answer."""
    found: dict[flux_answer.Series, dict[int, object]] = {}
    for series, column in flux_answer.columns(answer, most=10**6):
        found.setdefault(series, {}).update(column)
    return found


@given(st.lists(st.tuples(_texts, _texts, _texts), min_size=1, max_size=8))
def test_every_text_comes_back(cells: list[tuple[str, str, str]]) -> None:
    """Commas, quotes and line ends may stand in values and in tags; an empty tag is none."""
    rows = [row(at, value, job=job, tag=tag) for at, (value, job, tag) in enumerate(cells)]
    expected: dict[flux_answer.Series, dict[int, object]] = {}
    for at, (value, job, tag) in enumerate(cells):
        tags = tuple((name, text) for name, text in (("job", job), ("table", tag)) if text)
        expected.setdefault(flux_answer.Series("m", tags, "uuid"), {})[_AT_NS + at] = value
    assert columns(lines(_TYPES, _HEADER, *rows)) == expected


def test_columns_in_another_order_are_read_by_their_names() -> None:
    """A tag may stand before time and value."""
    order = (0, 1, 2, 7, 4, 6, 3, 8, 5)
    rows = [_TYPES, _HEADER, row(1, "a"), row(2, "b"), row(2, "c", job="k"), row(3, "d", field="host", job="k")]
    moved = [tuple(each[at] for at in order) for each in rows]
    assert columns(lines(*moved)) == columns(lines(*rows))
    assert len(columns(lines(*rows))) == 3


def test_several_headers_and_types_follow_one_another() -> None:
    """Each table is read by the header before it, and numbers become numbers."""
    numbers = tuple("double" if name == "_value" else kind for name, kind in zip(_HEADER, _TYPES, strict=True))
    answer = lines(_TYPES, _HEADER, row(1, "a"), [], numbers, _HEADER, row(1, "1.5", "age"), row(2, "2", "age"))
    found = {series.field: column for series, column in columns(answer).items()}
    assert found == {"uuid": {_AT_NS + 1: "a"}, "age": {_AT_NS + 1: 1.5, _AT_NS + 2: 2.0}}


def test_a_long_table_comes_in_parts() -> None:
    """Memory does not grow with a table, and an answer with too many rows is given up."""
    answer = lines(_TYPES, _HEADER, *(row(at, str(at)) for at in range(12_000)))
    parts = [column for _, column in flux_answer.columns(answer, most=12_000)]
    assert [len(part) for part in parts] == [5000, 5000, 2000]
    assert columns(answer) == {
        flux_answer.Series("m", (("job", "j"),), "uuid"): {_AT_NS + n: str(n) for n in range(12_000)}
    }
    with pytest.raises(TooManyRowsError):
        list(flux_answer.columns(answer, most=11_999))


@pytest.mark.parametrize("tags", [("job", "stage"), ()])
def test_texts_are_read_without_their_times(tags: tuple[str, ...]) -> None:
    """An answer may have no other columns than values and tags, and even no tags."""
    header = ("", "result", "table", "_value", *tags)
    rows = [("", "_result", "0", value, *("x" for _ in tags)) for value in ("a", 'b"', "c,d")]
    found = list(flux_answer.tagged(lines(_TYPES[:3] + _TYPES[4 : 5 + len(tags)], header, *rows)))
    assert [text for _, texts in found for text in texts] == ["a", 'b"', "c,d"]
    assert {its for its, _ in found} == {tuple((tag, "x") for tag in tags)}


@pytest.mark.parametrize("cut", [2, 5, 7])
def test_a_row_with_too_few_cells_is_no_row(cut: int) -> None:
    """It is not taken for the end of the answer."""
    with pytest.raises((ValueError, LookupError)):
        columns(lines(_TYPES, _HEADER, row(1, "a"), row(2, "b", job="k")[:cut]))
