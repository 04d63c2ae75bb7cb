"""Runs whose starts are older or missing: the earlier rows are read once, not again for each part of the time."""

from itertools import chain

import pytest

from otel_job_measure.history.run_record import RunRecord, record_of
from otel_job_measure.insight.influxdb import windows
from otel_job_measure.insight.influxdb.rows import Rows
from otel_job_measure.insight.influxdb.starts import Starts
from otel_job_measure.insight.influxdb.windows import time_of
from otel_job_measure.insight.run_store import ALL, Wanted
from tests.insight.contract import CLOCK_NS, NOW_NS, SECOND, ended, started, whole
from tests.insight.influxdb.test_later import Counted
from tests.insight.plain_store import PlainStore

MINUTE = 60 * SECOND
SINCE = Wanted(since_ns=NOW_NS + 40 * MINUTE)


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a window have about two hundred rows."""
    monkeypatch.setattr(windows, "_AIM", 200)


def runs(*, without_start: int, long: int) -> bytes:
    """Returns a run a second for two hours; some runs without a start, and some that last for an hour."""
    parts = [whole(f"whole-{number}", NOW_NS + number * SECOND) for number in range(7200)]
    ends = ((number, NOW_NS + number * 7200 * SECOND // without_start + 3) for number in range(without_start))
    parts += [ended(f"startless-{number}", at, took_s=1.0) for number, at in ends]
    for number in range(long):
        at = NOW_NS + number * MINUTE + 5
        parts += [started(f"long-{number}", at), ended(f"long-{number}", at + 60 * MINUTE, took_s=3600.0)]
    return b"".join(parts)


def asked(data: bytes, wanted: Wanted) -> tuple[list[RunRecord], int]:
    """Returns the runs in the order of their starts, and how often rows were asked for."""
    server = Counted(data)
    batches = Starts(server, Rows(server, wanted), time_of(wanted)).batches()
    return [record_of(run) for run in chain.from_iterable(batches)], server.requests


@pytest.mark.parametrize("wanted", [ALL, SINCE])
def test_runs_without_a_start_are_yielded_in_their_place(wanted: Wanted) -> None:
    """They count by their end; one that began before the time does not count."""
    data = runs(without_start=1000, long=39)
    found, _ = asked(data, wanted)
    assert found == list(PlainStore(data, CLOCK_NS).starts(wanted))


@pytest.mark.parametrize("wanted", [ALL, SINCE])
def test_a_thousand_runs_without_a_start_take_a_handful_of_requests(wanted: Wanted) -> None:
    """What lies before the time is read once for all of them; nothing lies before the first row."""
    _, without = asked(runs(without_start=0, long=0), wanted)
    _, requests = asked(runs(without_start=1000, long=0), wanted)
    assert without > 15
    assert requests <= 2 * without
