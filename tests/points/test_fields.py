"""The one table of tags and fields: everything that lists them lists the same ones."""

import dataclasses
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.delivery.otlp.log_records import record_of
from otel_job_measure.history import history
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.points.fields import KEY_TAGS, MONITOR, POINT_FIELDS, RUN_FIELDS, RUN_TAGS, UUID, Column
from otel_job_measure.points.line_protocol import lines, parse
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines
from otel_job_measure.points.tags import DefaultTags

_ROOT = Path(__file__).parents[2]
_ALL = (*RUN_TAGS, *RUN_FIELDS)
_MONITOR_IN_SCRIPT = (
    ("float", "MONITOR_FLOATS"),
    ("integer", "MONITOR_INTEGERS"),
    ("string", "MONITOR_STRINGS"),
    ("boolean", "MONITOR_BOOLEANS"),
)
_SQL_TYPES = {"tag": "TEXT", "string": "TEXT", "float": "REAL", "integer": "INTEGER"}
_VALUES = {"string": "x", "float": 0.5, "integer": 2}
_FULL = Ending(
    uuid="abcdefghijkm",
    outcome=Outcome("error", "x", "x"),
    end_ns=1_800_000_000_000_000_000,
    **{  # type: ignore[arg-type]
        each.column: _VALUES[each.kind]
        for each in RUN_FIELDS
        if each.name not in {names.FIELD_UUID, names.FIELD_SUCCESS} and "." not in each.path
    },
)
_RUN_ROW = lines(
    ending_lines(Series("a", DefaultTags("b", "c", "d")), _FULL, run_row=True, error_message=True),
)[0]


def test_every_name_is_used_once() -> None:
    """In the rows, in the history and in log records, and fields stand in the order of a line."""
    assert sorted(each.name for each in RUN_FIELDS) == [each.name for each in RUN_FIELDS]
    for attribute in ("name", "column", "attribute"):
        found = [getattr(each, attribute) for each in _ALL]
        assert len(set(found)) == len(found)


def test_a_run_row_has_every_tag_and_field() -> None:
    """Of the kind that the table says."""
    point = parse(_RUN_ROW)
    assert set(point.tags) == {each.name for each in RUN_TAGS}
    kinds = {str: "string", float: "float", int: "integer"}
    assert {name: kinds[type(value)] for name, value in point.fields.items()} == {
        each.name: each.kind for each in RUN_FIELDS
    }


def test_an_ending_and_a_record_of_a_run_have_them_all() -> None:
    """Under the names of the history's columns; `success` follows from status and reason."""
    parts = {*Ending._fields, *Outcome._fields}
    assert {each.column for each in RUN_FIELDS} - {names.FIELD_SUCCESS} <= parts
    record = {each.name for each in dataclasses.fields(RunRecord)}
    assert record == {each.column for each in _ALL} - {names.FIELD_SUCCESS} | {"tags", "started_ns", "ended_ns"}


def test_the_history_has_a_column_for_each() -> None:
    """Of the right type, and a view's column under the name in InfluxDB."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((Path(history.__file__).parent / "schema.sql").read_text())
        columns = dict(connection.execute("SELECT name, type FROM pragma_table_info('runs')").fetchall())
    assert {each.column: _SQL_TYPES[each.kind] for each in _ALL}.items() <= columns.items()
    own = {"id", "job_id", "filed", "tags", "destination", "started_ns", "ended_ns", "ending_rows", "settled"}
    lost = {"lost_ns", "lost_rows", "lost_status", "lost_reason", "lost_values"}
    assert columns.keys() == {each.column for each in _ALL} | own | lost


def test_a_log_record_has_an_attribute_for_each() -> None:
    """Under the name that the table says."""
    found = record_of(_RUN_ROW).attributes
    assert found.keys() == {each.attribute for each in _ALL} | {names.ATTR_MEASUREMENT, names.ATTR_RECORD_UID}


def test_the_collectors_script_knows_them_all() -> None:
    """collector/rows.star, which Telegraf runs, makes the same rows."""
    script = (_ROOT / "collector" / "rows.star").read_text()
    assert _in_script(script, "KEY_TAGS") == [each.name for each in KEY_TAGS if each.name != names.TAG_JOB]
    for kind, name in (("string", "STRING_FIELDS"), ("float", "FLOAT_FIELDS"), ("integer", "INTEGER_FIELDS")):
        fields = [each.name for each in RUN_FIELDS if each.kind == kind and each.name != names.FIELD_UUID]
        assert _in_script(script, name) == fields
    for kind, name in _MONITOR_IN_SCRIPT:
        of_kind = {each.name for columns in MONITOR.values() for each in columns if each.kind == kind and each != UUID}
        assert _in_script(script, name) == sorted(of_kind)
    assert _in_script(script, "UNCOUNTED_REASONS") == list(names.UNCOUNTED_REASONS)


def _in_script(script: str, name: str) -> list[str]:
    found = re.search(rf"^{name} = \((.*?)\)", script, re.MULTILINE)
    assert found is not None, name
    return re.findall(r'"([^"]+)"', found[1])


def test_the_documentation_lists_them_all() -> None:
    """Each measurement's table in docs/data-model.md has a row for every tag and field, of the right kind."""
    text = (_ROOT / "docs" / "data-model.md").read_text()
    old, run = re.findall(r"^## `scheduling-job.*?(?=^## )", text, re.MULTILINE | re.DOTALL)[:2]
    assert _in_docs(old) == _expected(*KEY_TAGS, *POINT_FIELDS)
    assert _in_docs(run) == _expected(*RUN_TAGS, *RUN_FIELDS)
    for reason in names.REASONS:
        assert f"`{reason}`" in run, reason


def test_the_documentation_lists_the_monitors_rows() -> None:
    """Each of the five measurements has a table with every tag and field, of the right kind."""
    text = (_ROOT / "docs" / "data-model.md").read_text()
    for measurement, columns in MONITOR.items():
        (section,) = re.findall(rf"^### `{measurement}`.*?(?=^##)", text, re.MULTILINE | re.DOTALL)
        assert _in_docs(section) == _expected(*columns), measurement


def _expected(*columns: Column) -> set[tuple[str, str]]:
    return {(each.kind if each.kind == "tag" else f"{each.kind} field", each.name) for each in columns}


def _in_docs(section: str) -> set[tuple[str, str]]:
    found = re.findall(r"^\| (tag|\w+ field) \| (.*?) \|", section, re.MULTILINE)
    return {(kind, name) for kind, cell in found for name in re.findall(r"`(\w+)`", cell)}
