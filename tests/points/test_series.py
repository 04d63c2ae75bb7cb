"""The part of the rows that a job's runs have in common."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.points.line_protocol import Point, encode, parse
from otel_job_measure.points.rows import Series, series, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import clean_tag
from tests.points.texts import BROKEN, TEXTS, influxdb_lines

MORE = st.tuples(st.sampled_from(["!", "host.name", "k", "s", "t", "z"]), TEXTS.filter(bool)).map(lambda pair: (pair,))
DEFAULT_TAGS = st.builds(
    DefaultTags,
    datacenter=st.none() | TEXTS,
    project=st.none() | TEXTS,
    stage=st.none() | TEXTS,
    more=st.just(()) | MORE,
)


def cleaned(job: str, tags: DefaultTags) -> dict[str, str]:
    """The tags that are expected of a row."""
    given = {"job": job or "unnamed", "datacenter": tags.datacenter, "project": tags.project, "stage": tags.stage}
    return {name: clean_tag(value) for name, value in (given | dict(tags.more)).items() if value}


def test_the_rows_of_a_job_begin_alike() -> None:
    """Measurement and tags in InfluxDB's order, tags without a value left out."""
    tags = DefaultTags(project="billing", more=(("zone", "a"), ("host.name", "web 1")))
    line = start_line(Series("nightly report", tags), "abcdefghijkm", 5)
    assert line == (
        rb"scheduling-job,host.name=web\ 1,job=nightly\ report,project=billing,zone=a"
        b' status="start",uuid="abcdefghijkm" 5\n'
    )


def test_an_empty_name_is_unnamed() -> None:
    """A tag is never empty, and the row must not be lost."""
    assert parse(start_line(Series("", DefaultTags()), "u", 5)).tags == {"job": "unnamed"}


@given(job=TEXTS, tags=DEFAULT_TAGS)
def test_any_names_are_one_line_that_influxdb_can_find(job: str, tags: DefaultTags) -> None:
    """Whatever the names are, the next line begins where it should, and the row says whose it is."""
    line = start_line(Series(job, tags), "abcdefghijkm", 5)
    assert influxdb_lines(line * 2) == [line[:-1], line[:-1], b""]
    point = parse(line)
    assert point.tags.keys() == cleaned(job, tags).keys()
    assert point.fields == {"status": "start", "uuid": "abcdefghijkm"}


@given(job=TEXTS, tags=DEFAULT_TAGS)
def test_names_come_back_as_they_are(job: str, tags: DefaultTags) -> None:
    """The row has the clean names, not a character differs; the line is what `encode` writes."""
    line = start_line(Series(job, tags), "abcdefghijkm", 5)
    assert parse(line).tags == cleaned(job, tags)
    point = Point(measurement="scheduling-job", tags=parse(line).tags, fields=parse(line).fields, time_ns=5)
    assert encode(point) + b"\n" == line


@given(job=BROKEN, tags=DEFAULT_TAGS)
def test_a_series_can_be_made_again_from_its_rows(job: str, tags: DefaultTags) -> None:
    """A recovery pass has only the start line, and writes to the same series."""
    line = start_line(Series(job, tags), "abcdefghijkm", 5)
    found = dict(parse(line).tags)
    again = Series(
        found.pop("job"),
        DefaultTags(
            datacenter=found.pop("datacenter", None),
            project=found.pop("project", None),
            stage=found.pop("stage", None),
            more=tuple(found.items()),
        ),
    )
    assert start_line(again, "abcdefghijkm", 5) == line


def test_a_series_is_remembered() -> None:
    """Runs of one job share it: nothing is encoded twice."""
    tags = DefaultTags(project="p")
    assert series("remembered", tags) is series("remembered", DefaultTags(project="p"))
    assert series("remembered", tags) is not series("another", tags)
    assert series("remembered", tags) is not series("remembered", DefaultTags(project="q"))


def test_what_is_remembered_is_bounded() -> None:
    """Names that never repeat, with a date in them, cost no memory for ever."""
    first = series("job 0", DefaultTags())
    for number in range(5000):
        series(f"job {number}", DefaultTags())
    assert series("job 0", DefaultTags()) is not first


def test_threads_share_what_is_remembered() -> None:
    """Eight threads that ask for many jobs at once all get the right ones."""
    wrong: list[str] = []

    def ask() -> None:
        for number in range(3000):
            job = f"job-{number % 1500}"
            if f"job={job}," not in series(job, DefaultTags(stage="s")).head:
                wrong.append(job)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
