"""The views show the rows of both measurements, as the real InfluxDB has them."""

from collections.abc import Mapping
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.points.fields import RUN_FIELDS, UUID
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.points.tags import DefaultTags
from tests.history.support import FAILED, LOST, NOW_NS, SECOND, Lines, chunk, history_in, rows
from tests.support.influx import InfluxServer

_TAGS = {"job", "datacenter", "project", "stage"}
_ALL = {names.POINTS: 'SELECT * FROM "scheduling-job"', names.RUNS: 'SELECT * FROM "scheduling-job-run"'}
_SEEN = tuple[str, int, tuple[tuple[str, object], ...], tuple[tuple[str, object], ...]]


def _data() -> bytes:
    more = (("host.name", "a b,c=d"), ("k8s.pod", 'näch\'tlich "x"'), ("semi;colon'\"", "1"))
    tags = DefaultTags(datacenter=None, project=None, stage="production", more=more)
    plain, named, came_back = Lines(uuid="plain"), Lines(uuid="named", job="a b, c", tags=tags), Lines(uuid="back")
    later = NOW_NS + 100 * SECOND
    return b"".join(
        [
            plain.start() + plain.end(),
            named.start() + named.end(outcome=FAILED),
            came_back.start(later) + came_back.end(later + SECOND, LOST) + came_back.end(later + 9 * SECOND),
            Lines(uuid="open").start(later + 1),
            Lines(uuid="lost").start(later + 2) + Lines(uuid="lost").end(later + 3, LOST),
            Lines(uuid="off").start(later + 4) + Lines(uuid="off").old_end(later + 5, FAILED),
            Lines(uuid="timeout").end(later + 6, Outcome(reason="timeout", error_type="TimeoutError")),
            # Times that meet: InfluxDB keeps of each series and time what came last.
            Lines(uuid="first").start(later + 7) + Lines(uuid="second").start(later + 7),
            Lines(uuid="other", job="other").start(later + 7),
            Lines(uuid="first").end(later + 8) + Lines(uuid="second").end(later + 8),
            Lines(uuid="brief").start(later + 9) + Lines(uuid="brief").end(later + 9),
        ]
    )


def _seen(measurement: str, time_ns: int, tags: Mapping[str, object], fields: Mapping[str, object]) -> _SEEN:
    present = [tuple(sorted((k, v) for k, v in each.items() if v is not None)) for each in (tags, fields)]
    return measurement, time_ns, present[0], present[1]


def _in_view(path: Path, measurement: str, tags: set[str]) -> list[_SEEN]:
    return [
        _seen(
            measurement,
            row["time"],
            {name: value for name, value in row.items() if name in tags},
            {name: value for name, value in row.items() if name not in {*tags, "time"}},
        )
        for row in rows(path, _ALL[measurement])
    ]


def test_the_views_show_what_influxdb_has(tmp_path: Path, influx: InfluxServer, bucket: str) -> None:
    """Row for row, with every tag and field, also where times meet and where a lost run came back."""
    data = _data()
    history = history_in(tmp_path)
    history.fold([chunk(data)])
    influx.write(data, bucket)
    further = {"host.name", "k8s.pod", "semi;colon'\""}
    shown = _in_view(history.path, names.POINTS, _TAGS | further)
    shown += _in_view(history.path, names.RUNS, _TAGS | further | {"status", "reason"})
    expected = [_seen(row.measurement, row.time_ns, row.tags, row.fields) for row in influx.lines(bucket)]
    assert sorted(shown) == sorted(expected)
    assert len(expected) == 25


def test_the_columns_are_time_tags_and_fields(tmp_path: Path) -> None:
    """Each column has the name that it has in InfluxDB, and a further tag gets one when it is seen first."""
    history = history_in(tmp_path)
    history.fold([chunk(Lines(uuid="a").start() + Lines(uuid="a").end())])
    old, run = (list(rows(history.path, _ALL[name])[0]) for name in (names.POINTS, names.RUNS))
    assert old == ["time", "job", "datacenter", "project", "stage", "uuid", "status"]
    assert run == [
        *("time", "job", "datacenter", "project", "stage", "status", "reason", "uuid"),
        *(each.name for each in RUN_FIELDS if each is not UUID),
    ]
    tags = DefaultTags(datacenter=None, project=None, stage=None, more=(("host.name", "web-1"),))
    history.fold([chunk(Lines(uuid="b", tags=tags).start(), segment="two")])
    found = rows(history.path, 'SELECT uuid, "host.name" FROM "scheduling-job" WHERE status = \'start\' ORDER BY uuid')
    assert found == [{"uuid": "a", "host.name": None}, {"uuid": "b", "host.name": "web-1"}]
    assert rows(history.path, """SELECT uuid FROM runs WHERE json_extract(tags, '$."host.name"') = 'web-1'""") == [
        {"uuid": "b"}
    ]


def test_a_tag_that_sql_cannot_name_has_no_column(tmp_path: Path) -> None:
    """A line of another program with a NUL in a tag's name is ingested, and the views stay unchanged."""
    history = history_in(tmp_path)
    history.fold([chunk(b'scheduling-job,a\0b=c,job=x status="start",uuid="u" 1800000000000000000\n')])
    assert [row["uuid"] for row in rows(history.path, 'SELECT * FROM "scheduling-job"')] == ["u"]


def test_a_view_finds_its_rows_by_time_without_reading_all(tmp_path: Path) -> None:
    """A question about the last hour uses the indexes on times."""
    history = history_in(tmp_path)
    history.fold([chunk(Lines(uuid="a").start())])
    for name in (names.POINTS, names.RUNS):
        plan = rows(history.path, f"EXPLAIN QUERY PLAN {_ALL[name]} WHERE time > 1")
        assert not [step["detail"] for step in plan if step["detail"].startswith("SCAN runs")], name
