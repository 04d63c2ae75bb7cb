"""Endings that come much later: the later rows are read once, not again for each part of the time."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import pytest

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import Place, RunRecord, record_of
from otel_job_measure.insight.influxdb import windows
from otel_job_measure.insight.influxdb.ask import FIRST_NS, Ask, Table
from otel_job_measure.insight.influxdb.rows import Rows
from otel_job_measure.insight.influxdb.starts import Starts
from otel_job_measure.insight.influxdb.walk import Walk
from otel_job_measure.insight.influxdb.windows import EVER, Window
from otel_job_measure.insight.run_store import ALL
from otel_job_measure.points.line_protocol import FieldValue, Point, parse
from tests.insight.contract import CLOCK_NS, LOST, NOW_NS, SECOND, ended, started, whole
from tests.insight.plain_store import PlainStore

MINUTE = 60 * SECOND


class Counted:
    """A server in memory that counts how often rows are asked for."""

    def __init__(self, data: bytes) -> None:
        self.points = [parse(line) for line in data.splitlines(keepends=True)]
        self.requests = 0

    def tables(self, ask: Ask) -> Iterator[Table]:
        """Returns rows, and counts the request."""
        self.requests += 1
        found: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, dict[int, FieldValue]]] = {}
        for point in filter(lambda point: _fits(point, ask), self.points):
            columns = found.setdefault((point.measurement, tuple(point.tags.items())), {})
            for name, value in point.fields.items():
                columns.setdefault(name, {})[point.time_ns or 0] = value
        return (Table(measurement, dict(tags), columns) for (measurement, tags), columns in found.items())

    def last_rows(self, ask: Ask) -> list[Point]:
        """Is not asked."""
        raise NotImplementedError

    def runs(self, ask: Ask, among: object = None) -> Iterator[Place]:
        """Is not asked."""
        raise NotImplementedError

    def first_ns(self, ask: Ask) -> int | None:
        """Returns the time of the first row."""
        return min((point.time_ns or 0 for point in self.points if _fits(point, ask)), default=None)


def _fits(point: Point, ask: Ask) -> bool:
    is_in_time = ask.since_ns <= (point.time_ns or 0) < ask.until_ns
    has_tags = all(point.tags.get(tag, "") in values for tag, values in ask.tags.items())
    has_text = ask.texts is None or point.fields.get(ask.texts[0]) in ask.texts[1]
    return point.measurement in ask.measurements and is_in_time and has_tags and has_text


def lost_runs(minutes: int) -> bytes:
    """Returns a run a second, each lost after two, some with an ending much later; and as many that stay open."""
    parts: list[bytes] = []
    for number in range(60 * minutes):
        at, uuid = NOW_NS + number * SECOND, f"lost-{number}"
        parts += [started(uuid, at), ended(uuid, at + 2 * SECOND + 1, outcome=LOST)]
        parts += [started(f"open-{number}", at + 2)]
        if number % 7 == 0:
            parts += [ended(uuid, at + 20 * MINUTE + 3, took_s=1200.0)]
        if number % 50 == 0:
            parts += [whole(f"good-{number}", at + 4, JobId("good"), took_s=400.0)]
    return b"".join(parts)


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a window have about four hundred rows."""
    monkeypatch.setattr(windows, "_AIM", 400)
    monkeypatch.setattr(windows, "_MOST_LONGER", 2)


def in_order(server: Counted, whole: Window = EVER) -> list[RunRecord]:
    """Returns all runs in the order of their starts."""
    return [record_of(run) for run in chain.from_iterable(Starts(server, Rows(server, ALL), whole).batches())]


def newest_first(server: Counted, until_ns: int) -> list[RunRecord]:
    """Returns the runs that began before a time, as a question with an end finds them."""
    walk = Walk(Rows(server, ALL), Window(FIRST_NS, until_ns))
    return [record_of(run) for run in chain.from_iterable(walk.batches(CLOCK_NS))]


def test_runs_that_came_back_much_later_are_complete() -> None:
    """In the order of their starts, and for a question about the time before they came back."""
    data = lost_runs(30)
    plain = PlainStore(data, CLOCK_NS)
    assert in_order(Counted(data)) == list(plain.starts(ALL))
    until_ns = NOW_NS + 15 * MINUTE
    found = sorted(newest_first(Counted(data), until_ns), key=lambda run: (run.started_ns or 0, run.uuid))
    assert found == list(plain.starts(replace(ALL, until_ns=until_ns)))


def test_the_requests_grow_with_the_rows_and_not_with_their_square() -> None:
    """Each window has more lost runs than are looked for by their ids; four times the runs."""
    requests: dict[int, tuple[int, int]] = {}
    for minutes in (20, 80):
        server = Counted(lost_runs(minutes))
        in_order(server)
        in_turn, server.requests = server.requests, 0
        newest_first(server, NOW_NS + minutes * MINUTE // 2)
        requests[minutes] = in_turn, server.requests
    (few_in_turn, few_back), (many_in_turn, many_back) = requests.values()
    assert many_in_turn < 2 * few_in_turn
    assert many_back < 2 * few_back


def test_the_ids_of_few_runs_are_asked_for() -> None:
    """The later time is not read for a single lost run."""
    at = NOW_NS + MINUTE
    data = started("a", NOW_NS) + ended("a", at, outcome=LOST) + ended("a", at + 90 * MINUTE, took_s=1.0)
    server = Counted(data + b"".join(whole(f"b{number}", at + number * SECOND) for number in range(900)))
    runs = Rows(server, ALL).between(Window(FIRST_NS, at + 1)).runs
    mine = {place: run for place, run in runs.items() if place[0] == "a"}
    server.requests = 0
    Rows(server, ALL).add_endings(mine, at + 1)
    assert server.requests == 1
    assert [record_of(run).status for run in mine.values()] == [names.STATUS_END]
