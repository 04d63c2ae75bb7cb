"""docs/data-model.md: every row and every query on the page is run, and all languages and servers say the same."""

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from otel_job_measure.history.history import History
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from tests.docs.asked import BLOCKS, LANGUAGES, PAGE, PLACES, Asked, Bucket
from tests.docs.data_set import DAY, HOUR, Fact, facts, old_rows, our_rows
from tests.docs.questions import QUESTIONS, Question, WriteResult, answer, p95
from tests.docs.tables import tables_of
from tests.history.support import chunk
from tests.support.generations import REAL, Opened
from tests.support.influxd import VERSION

if TYPE_CHECKING:
    from tests.support.influx import InfluxServer


def told_of(generations: Opened, folder: Path, now_ns: int, runs: Sequence[Fact]) -> Asked:
    """Runs in all places, and in the servers without the lost one twice more, to compare the old with the new."""
    survived = [run for run in runs if not run.is_lost]
    buckets: dict[str, Bucket] = {}
    for version in REAL:
        influx = cast("InfluxServer", generations.get(version))
        names = [influx.new_bucket() for _ in range(3)]
        for bucket, rows in zip(names, (our_rows(runs), old_rows(survived), our_rows(survived)), strict=True):
            influx.write(rows, bucket)
        buckets[version] = Bucket(influx, names[0], (names[1], names[2]))
    history = History(folder / "history.db", retention_s=30 * 86_400)
    with history._database.transaction():  # also the history of no runs has its tables
        pass
    history.fold([chunk(our_rows(runs))])
    return Asked(now_ns, runs, buckets, history.path, tables_of(our_rows(runs)))


@pytest.fixture(scope="module")
def asked(generations: Opened, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """One set of runs of all kinds."""
    now_ns = time.time_ns()
    return told_of(generations, tmp_path_factory.mktemp("history"), now_ns, facts(now_ns))


SITUATIONS: dict[str, Callable[[list[Fact]], list[Fact]]] = {
    "nothing": lambda _runs: [],
    "one row": lambda runs: [run for run in runs if run.end_ns is None][:1],
    "one run": lambda runs: [run for run in runs if run.job == "cleanup"],
    "only failures": lambda runs: [run for run in runs if run.reason],
    "only open runs": lambda runs: [run for run in runs if run.end_ns is None],
}


@pytest.fixture(scope="module", params=SITUATIONS)
def few(generations: Opened, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Asked:
    """Sets of runs that lack what a query may take for granted."""
    now_ns = time.time_ns()
    runs = SITUATIONS[str(request.param)](facts(now_ns))
    return told_of(generations, tmp_path_factory.mktemp("history"), now_ns, runs)


def language_of(place: str) -> str:
    """Returns the language that is asked in a place."""
    return place.partition(" ")[0]


CASES = [
    pytest.param(question, place, id=f"{question.heading}-{question.number}-{place}")
    for question in QUESTIONS
    for place in PLACES
    if getattr(question, language_of(place))
]


def found_by(question: Question, place: str, asked: Asked) -> WriteResult:
    """Returns what the page's query gives."""
    query = BLOCKS[question.heading, language_of(place)][question.number]
    return answer(question, place, asked.ask(place, query))


@pytest.mark.parametrize(("question", "place"), CASES)
def test_each_query_gives_what_a_plain_calculation_gives(asked: Asked, question: Question, place: str) -> None:
    """So the languages and servers agree with each other, wherever they can say it."""
    expected = question.expected(asked)
    assert len(expected) > 1
    # Flux counts whole milliseconds of each pair, and is one short now and then.
    is_elapsed = getattr(question, language_of(place)) == "elapsed"
    assert found_by(question, place, asked) == pytest.approx(expected, abs=1 if is_elapsed else None)


@pytest.mark.parametrize(("question", "place"), CASES)
def test_each_query_is_right_about_few_runs(few: Asked, question: Question, place: str) -> None:
    """An empty bucket, one row, only failures and only open runs are no special case."""
    is_elapsed = getattr(question, language_of(place)) == "elapsed"
    expected = question.expected(few)
    assert found_by(question, place, few) == pytest.approx(expected, abs=1 if is_elapsed else None)


def test_no_query_of_the_page_is_left_out() -> None:
    """Every block is run by one of the tests here."""
    tested = {(q.heading, language, q.number) for q in QUESTIONS for language in LANGUAGES if getattr(q, language)}
    on_the_page = {
        (heading, language, number)
        for (heading, language), found in BLOCKS.items()
        for number in range(len(found))
        if language != "text"
    }
    assert tested == on_the_page
    assert {language for _, language in BLOCKS} == {*LANGUAGES, "text"}


def test_the_percentiles_of_the_languages_really_differ(asked: Asked) -> None:
    """The page says that they may be one apart; in this set of runs they are, and elsewhere they are not."""
    up = p95(asked, lambda n: math.ceil(95 * n / 100))
    nearest = p95(asked, lambda n: math.floor(95 * n / 100 + 0.5))
    assert up != nearest
    assert [job for job, value in up.items() if nearest[job] == value]


def test_a_group_by_a_field_is_one_group_without_a_word(asked: Asked) -> None:
    """As the page says of InfluxQL and error types."""
    query = 'SELECT count("error_type") AS "n" FROM "scheduling-job-run" WHERE time > now() - 24h GROUP BY "error_type"'
    for version in REAL:
        (row,) = asked.ask(f"influxql {version}", query)
        assert row["n"] == len([run for run in asked.ended() if run.error_type])


_ALL_ROWS = 'from(bucket: "jobs") |> range(start: -24h) |> filter(fn: (r) => r._measurement == "scheduling-job")'
OLD = [
    (language, query)
    for heading in (
        "Runs in each hour, as it was",
        "Success rate from the status, as it was",
        "Durations from start and end, as it was",
    )
    for language in ("flux", "influxql")
    for query in BLOCKS.get((heading, language), [])[:1]
] + [
    ("influxql", 'SELECT COUNT(*) FROM "scheduling-job" WHERE time > now() - 24h GROUP BY "job"'),
    ("influxql", 'SELECT * FROM "scheduling-job" WHERE time > now() - 24h'),
    ("influxql", 'SELECT last(*) FROM "scheduling-job" WHERE time > now() - 24h GROUP BY *'),
    ("flux", f'{_ALL_ROWS} |> group(columns: ["job"]) |> count()'),
    ("flux", f"{_ALL_ROWS} |> last()"),
]


def in_milliseconds(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row with its times as the old middleware had them, without what only tells when it was asked."""
    asked_when = {"result", "table", "_start", "_stop"}
    values = {name: value for name, value in row.items() if name not in asked_when}
    for name in values.keys() & {"time", "_time"}:
        at = values[name]
        values[name] = math.floor(at.timestamp() * 1000) if isinstance(at, datetime) else at // 10**6
    return values


OLD_CASES = [(place, query) for place in PLACES for language, query in OLD if language_of(place) == language]


@pytest.mark.parametrize(("place", "query"), OLD_CASES)
def test_an_old_query_gives_on_our_rows_what_it_gave_on_the_old_ones(asked: Asked, place: str, query: str) -> None:
    """Row for row and column for column, and durations to the millisecond, which is what the old clock had."""
    then, now = (
        sorted((in_milliseconds(row) for row in asked.ask(place, query, bucket)), key=_order)
        for bucket in asked.buckets[place.partition(" ")[2] or VERSION].then_and_now
    )
    if re.search(r"now\(\) - 24h GROUP BY [\"*]", query):
        # Without a window it is stamped with the beginning of the range, which has moved on in between.
        then, now = ([{k: v for k, v in row.items() if k != "time"} for row in rows] for rows in (then, now))
    assert len(then) == len(now) > 1
    for before, after in zip(then, now, strict=True):
        elapsed = before.pop("elapsed", 0), after.pop("elapsed", 0)
        assert after == before
        assert elapsed[1] == pytest.approx(elapsed[0], abs=1)


def _order(row: Mapping[str, Any]) -> str:
    return repr(sorted((name, value) for name, value in row.items() if name != "elapsed"))


def test_the_old_durations_leave_out_what_is_over_the_edge(asked: Asked) -> None:
    """As the page says: the long run is not in the old average, and is in both of the new ones."""
    left_out = [run for run in asked.ended() if run.start_ns < asked.now_ns - DAY]
    assert [run.job for run in left_out] == ["nightly"]
    old, right = (
        answer(question, "flux", asked.ask("flux", BLOCKS[question.heading, "flux"][question.number]))
        for question in QUESTIONS
        if question.heading == "Durations from start and end, as it was"
    )
    new = answer(QUESTIONS[2], "flux", asked.ask("flux", BLOCKS["Average duration", "flux"][0]))
    assert old["nightly",] < 20_000
    assert right["nightly",] > 150_000
    assert new["nightly",] == pytest.approx(right["nightly",] / 1000, abs=0.01)


def test_the_example_lines_are_what_is_written() -> None:
    """To the byte, in the order in which they are written."""
    tags = DefaultTags(datacenter="fra", project="billing", stage="production", more=())
    series = Series("nightly", tags)

    def run(
        uuid: str, start_ns: int, end_ns: int, outcome: Outcome, duration_s: float | None, trace: str | None
    ) -> bytes:
        return start_line(series, uuid, start_ns) + ending_lines(
            series,
            Ending(
                uuid=uuid,
                outcome=outcome,
                end_ns=end_ns,
                duration_s=duration_s,
                host="web-1",
                trace_id=trace,
                span_id=trace and "b7ad6b7169203331",
            ),
            run_row=True,
            error_message=False,
        )

    failed = Outcome(reason="error", error_type="ValueError", error_message="not written")
    base = 1_800_000_000_000_000_042
    written = (
        run("fFKjZyYJ7vQi", base, base + 12_250_118_000, Outcome(), 12.25, "0af7651916cd43dd8448eb211c80319c")
        + run("h2WnRtKe4sXb", base + HOUR, base + HOUR + 500_091_000, failed, 0.5, None)
        + run("mP9vQxLd3gTc", base + 2 * HOUR, base + 2 * HOUR + 10_000_001_000, Outcome(reason="lost"), None, None)
    )
    (example,) = BLOCKS["`scheduling-job-run`: one row for each finished run", "text"]
    assert example.encode() == written


def test_every_column_of_the_history_is_on_the_page(asked: Asked) -> None:
    """And none that there isn't."""
    columns = [row["name"] for row in asked.ask("sql", "SELECT name FROM pragma_table_info('runs')")]
    table = PAGE.split("| column of `runs` | value |")[1].split("\n\n")[0]
    named = [name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1] if line else "")]
    assert sorted(named) == sorted(columns)


def test_the_views_have_what_influxdb_has(asked: Asked) -> None:
    """As the page says: the very rows, in both measurements."""
    for measurement in ("scheduling-job", "scheduling-job-run"):
        shown = asked.ask("sql", f'SELECT * FROM "{measurement}"')  # noqa: S608 - ours
        there = asked.ask("influxql", f'SELECT * FROM "{measurement}"')  # noqa: S608 - ours
        # InfluxQL leaves out a column that no row has a value for.
        without_nothing = [{k: v for k, v in row.items() if v is not None} for row in (*shown, *there)]
        assert len(shown) == len(there) > 50
        assert all(row in without_nothing[len(shown) :] for row in without_nothing[: len(shown)])
