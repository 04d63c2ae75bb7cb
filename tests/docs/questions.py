"""The questions of the page, and their answers as plain Python calculates them."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from tests.docs.asked import Asked
from tests.docs.data_set import DAY, HOUR, Fact

WriteResult = dict[tuple[Hashable, ...], Any]
"""Values by the columns that they are grouped by."""


def by_job(runs: Iterable[Fact]) -> dict[str, list[Fact]]:
    """Returns runs by job."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for run in runs:
        found[run.job].append(run)
    return found


def mean_by_job(values: Iterable[tuple[str, float]]) -> WriteResult:
    """Returns the mean of the values of each job."""
    found: dict[str, list[float]] = defaultdict(list)
    for job, value in values:
        found[job].append(value)
    return {(job,): sum(of_job) / len(of_job) for job, of_job in found.items()}


def counted(keys: Iterable[tuple[Hashable, ...]]) -> WriteResult:
    """Returns how often each key comes."""
    return dict(Counter(keys))


def durations(asked: Asked) -> list[tuple[str, float]]:
    """Returns what was measured of the runs that ended in the window."""
    return [(run.job, run.duration_s) for run in asked.ended() if run.duration_s is not None]


def p95(asked: Asked, number: Callable[[int], int]) -> WriteResult:
    """Returns of each job the duration that has a number, which depends on how many there are."""
    found: dict[str, list[float]] = defaultdict(list)
    for job, duration_s in durations(asked):
        found[job].append(duration_s)
    return {(job,): sorted(of_job)[number(len(of_job)) - 1] for job, of_job in found.items()}


def last_success(asked: Asked) -> WriteResult:
    """Returns when a run of each job last ended well, in microseconds."""
    well = by_job(run for run in asked.ended(within_ns=7 * DAY) if run.reason is None)
    return {(job,): max(run.end_ns or 0 for run in runs) // 1000 for job, runs in well.items()}


def last_start(asked: Asked) -> WriteResult:
    """Returns when a run of each job last began, in microseconds."""
    return {
        (job,): max(run.start_ns for run in of) // 1000 for job, of in by_job(asked.begun(within_ns=7 * DAY)).items()
    }


def gone_quiet(asked: Asked) -> WriteResult:
    """Returns the jobs whose last run began six hours ago or earlier."""
    return {job: last for job, last in last_start(asked).items() if last < (asked.now_ns - 6 * HOUR) // 1000}


def open_by_job(asked: Asked) -> WriteResult:
    """Returns how many runs are open of each job, as InfluxQL counts: starts less endings in the window."""
    begun = Counter(run.job for run in asked.begun(within_ns=7 * DAY))
    over = Counter(run.job for run in asked.ended(within_ns=7 * DAY))
    return {(job,): begun[job] - over[job] for job in begun}


def paired(asked: Asked, *, whole: bool) -> WriteResult:
    """Returns the mean of whole milliseconds between start and end, of runs that are in the window, whole or not."""
    return mean_by_job(
        (run.job, (cast("int", run.end_ns) - run.start_ns) // 10**6)
        for run in asked.ended()
        if not whole or run.start_ns > asked.now_ns - DAY
    )


@dataclass(frozen=True)
class Question:
    """A question of the page, and what the answer has to be.

    Args:
        heading: Where it stands.
        expected: Calculates the answer.
        columns: The columns of the answer's keys.
        flux: The column of the value in Flux, where the page has a query in it that can say it.
        influxql: The same in InfluxQL.
        sql: The same in SQL, of the history.
        postgresql: The same in SQL, of InfluxDB 3.
        number: Which of several blocks of a language under one heading.
    """

    heading: str
    expected: Callable[[Asked], WriteResult]
    columns: tuple[str, ...] = ("job",)
    flux: str | None = None
    influxql: str | None = None
    sql: str | None = None
    postgresql: str | None = None
    number: int = 0


QUESTIONS = [
    Question(
        "How many runs",
        lambda asked: counted((run.job,) for run in asked.ended()),
        flux="_value",
        influxql="runs",
        sql="runs",
        postgresql="runs",
    ),
    Question(
        "Success rate",
        lambda asked: mean_by_job((run.job, run.success) for run in asked.ended() if run.success is not None),
        flux="_value",
        influxql="rate",
        sql="rate",
        postgresql="rate",
    ),
    Question(
        "Average duration",
        lambda asked: mean_by_job(durations(asked)),
        flux="_value",
        influxql="seconds",
        sql="seconds",
        postgresql="seconds",
    ),
    Question(
        "95th percentile of the duration",
        lambda asked: p95(asked, lambda n: math.ceil(95 * n / 100)),
        flux="_value",
        sql="seconds",
        postgresql="seconds",
    ),
    Question(
        "95th percentile of the duration",
        lambda asked: p95(asked, lambda n: math.floor(95 * n / 100 + 0.5)),
        influxql="seconds",
    ),
    Question(
        "Open runs",
        lambda asked: {(run.job, run.uuid): run.start_ns // 1000 for run in asked.runs if run.end_ns is None},
        columns=("job", "uuid"),
        flux="start",
        sql="started_ns",
        postgresql="start",
    ),
    Question("Open runs", open_by_job, influxql="open"),
    Question("Last success", last_success, flux="_time", influxql="time", sql="time", postgresql="time"),
    Question(
        "Failures by reason",
        lambda asked: counted((run.job, run.reason) for run in asked.ended() if run.reason),
        columns=("job", "reason"),
        flux="_value",
        influxql="failures",
        sql="failures",
        postgresql="failures",
    ),
    Question(
        "Failures by error type",
        lambda asked: counted((run.job, run.error_type) for run in asked.ended() if run.error_type),
        columns=("job", "error_type"),
        flux="_value",
        sql="failures",
        postgresql="failures",
    ),
    Question(
        "Failures by error type",
        lambda asked: counted((run.job,) for run in asked.ended() if run.error_type == "ValueError"),
        influxql="failures",
    ),
    Question("Deadman: jobs that have gone quiet", gone_quiet, flux="_time", sql="time", postgresql="time"),
    Question("Deadman: jobs that have gone quiet", last_start, influxql="time"),
    Question(
        "Runs in each hour, as it was",
        lambda asked: counted((run.job, run.start_ns // HOUR * HOUR // 1000) for run in asked.begun()),
        columns=("job", "time"),
        flux="_value",
        influxql="runs",
        sql="runs",
    ),
    Question(
        "Success rate from the status, as it was",
        lambda asked: mean_by_job((run.job, float(run.reason is None)) for run in asked.ended()),
        flux="_value",
        influxql="rate",
        sql="rate",
    ),
    Question(
        "Durations from start and end, as it was",
        lambda asked: paired(asked, whole=True),
        flux="elapsed",
        sql="elapsed",
    ),
    Question(
        "Durations from start and end, as it was",
        lambda asked: paired(asked, whole=False),
        flux="elapsed",
        sql="elapsed",
        number=1,
    ),
]


def plain(name: str, value: object) -> Any:  # noqa: ANN401 - what a query gives
    """Returns a value in a form that all languages have: times are whole microseconds."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 10**6)
    if name in {"time", "start", "started_ns"}:
        return cast("int", value) // 1000
    return value


def answer(question: Question, place: str, rows: Iterable[Mapping[str, Any]]) -> WriteResult:
    """Returns what a query gave, by key."""
    language = place.partition(" ")[0]
    value = getattr(question, language)
    found: WriteResult = {}
    for row in rows:
        named = {**row, "time": row["_time"]} if language == "flux" and "_time" in row else row
        key = tuple(plain(column, named[column]) for column in question.columns)
        assert key not in found, f"{key} twice"
        found[key] = plain(value, named[value])
    return found
