"""What the monitor's own rows say: events, states, senders, expectations."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from otel_job_measure import names
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.insight.expected_texts import decoded
from otel_job_measure.insight.influxdb.ask import Ask, Language, rows
from otel_job_measure.insight.influxdb.windows import EVER, Window, newest_first
from otel_job_measure.insight.sender_words import RECENT_NS, by_host
from otel_job_measure.points.line_protocol import Point
from otel_job_measure.points.monitor import Event, Expected, Sender, State
from otel_job_measure.points.monitor_rows import row_of

_Row = TypeVar("_Row", Event, Expected, Sender, State)

_DAILY_NS: Final = 26 * 3600 * 10**9
"""Within this time each source has repeated what it expects."""


def events(language: Language, whole: Window) -> list[Event]:
    """Returns the events of a time, the oldest first."""
    found = _rows_of(_between(language, names.EVENTS, whole), Event)
    return sorted(found, key=lambda event: (event.at_ns, event.job, event.event))


def states(language: Language) -> list[State]:
    """Returns the last state of each job, in the order of the jobs."""
    found = _rows_of(language.last_rows(Ask(measurements=(names.STATES,))), State)
    latest = {state.job: state for state in sorted(found, key=lambda state: state.at_ns)}
    return [latest[job] for job in sorted(latest)]


def senders(language: Language, since_ns: int) -> list[Sender]:
    """Returns the last word of each host since a time, of all its senders together."""
    asked = Ask(measurements=(names.SENDERS,), since_ns=max(since_ns, EVER.since_ns))
    last = list(_rows_of(language.last_rows(asked), Sender))
    newest_ns = max((word.at_ns for word in last), default=None)
    if newest_ns is None:
        return []
    recent = Window(max(since_ns, newest_ns - RECENT_NS), newest_ns + 1).within(EVER)
    return by_host([*last, *_rows_of(_between(language, names.SENDERS, recent), Sender)])


def expectations(language: Language) -> list[ExpectedJob]:
    """Returns what is expected, in the order of the jobs.

    Every source repeats its rows daily. So the rows of the last day that has any, and the last row of each job, are
    read. A job that one source retired before that day, and another source still has, is found as the latter has it.
    """
    last = language.last_rows(Ask(measurements=(names.EXPECTED,)))
    newest_ns = max((row.time_ns or 0 for row in last), default=None)
    if newest_ns is None:
        return []
    day = Window(newest_ns - _DAILY_NS, newest_ns + 1).within(EVER)
    rows = [*_rows_of(last, Expected), *_rows_of(_between(language, names.EXPECTED, day), Expected)]
    found: dict[tuple[object, ...], ExpectedJob] = {}
    for job in decoded((row.text for row in sorted(rows, key=lambda row: row.at_ns)), "InfluxDB"):
        found[job.job, job.source, job.origin, job.host or ""] = job
    return sorted(found.values(), key=lambda job: (job.job, job.host or "", job.source, job.origin))


def _between(language: Language, measurement: str, whole: Window) -> Iterator[Point]:
    def fetch(window: Window) -> list[Point]:
        asked = Ask(measurements=(measurement,), since_ns=window.since_ns, until_ns=window.until_ns)
        return rows(language, asked)

    for _, points in newest_first(fetch, whole):
        yield from points


def _rows_of(points: Iterable[Point], kind: type[_Row]) -> Iterator[_Row]:
    return (row for point in points if isinstance(row := row_of(point), kind))
