"""Which due times need no run because the run before them was still going on, and when that may be said."""

import pytest

from otel_job_measure.insight.run_store import OpenRun
from otel_job_measure.insight.states import Judgement
from otel_job_measure.points.monitor import Event

from .made import DAY, HOUR, at, expected, history, judgement, names_of, opened, run, sender, server

HOURLY = expected(schedule="0 * * * *", timezone="UTC", grace_s=60.0)


def _events(judged: Judgement) -> list[tuple[str, int]]:
    """Returns the events of due times later than an hour ago."""
    return [(event.event, event.at_ns) for event in judged.events if event.at_ns >= 0 and event.event != "recovered"]


def _looked(now: float, each: OpenRun, *, waits: bool = False, complete: float | None = None) -> Judgement:
    host = sender("a", now - 5, complete, pending=7 if waits else 0)
    return judgement(
        server(now, host, sender("b", now - 5)), HOURLY, each.run, open_runs=(each,), after_ns=at(-HOUR / 2)
    )


def test_a_run_whose_end_may_wait_with_its_host_spans_no_due_time() -> None:
    """Of a backlog, a start may have arrived, and its end not yet: what came later is unknown, not skipped."""
    began = opened(-HOUR + 5)
    judged = _looked(6 * HOUR, began, waits=True, complete=-HOUR + 60)
    assert _events(judged) == []
    assert "unknown" in names_of(judged)


def test_a_run_without_an_end_lived_until_its_host_is_complete() -> None:
    """Its end would have come: the due times up to then were skipped, those later are unknown."""
    judged = _looked(6 * HOUR, opened(-HOUR + 5), waits=True, complete=2.5 * HOUR)
    assert [each.due.at_ns for each in judged.due_times.settled if each.skipped] == [at(0), at(HOUR), at(2 * HOUR)]
    assert [each.due.at_ns for each in judged.due_times.unknown] == [at(3 * HOUR), at(4 * HOUR), at(5 * HOUR)]
    assert _events(judged) == []


def test_in_an_outage_an_open_run_spans_no_due_time_after_its_last_sign() -> None:
    """Nothing comes from any host: whether the run still lives is not known."""
    each = opened(-200, alive=10.0)
    evidence = server(2 * HOUR + 600, sender("a", 30), sender("b", 30))
    judged = judgement(evidence, HOURLY, each.run, open_runs=(each,), after_ns=at(-HOUR / 2))
    assert [settled.due.at_ns for settled in judged.due_times.settled if settled.skipped] == [at(0)]
    assert [settled.due.at_ns for settled in judged.due_times.unknown] == [at(HOUR), at(2 * HOUR)]


@pytest.mark.parametrize(("alive", "is_said"), [(-30.0, False), (0.0, False), (30.0, True)])
def test_a_skip_is_said_once_a_sign_of_life_came_after_the_due_time(alive: float, *, is_said: bool) -> None:
    """Till then the run may be dead already, and a later look would believe what was said."""
    judged = _looked(50, opened(-200, alive=alive))
    assert judged.state.name == "running"
    assert _events(judged) == ([("skipped", at(0))] if is_said else [])


def test_a_skip_is_said_of_a_run_that_has_ended() -> None:
    """Its end is known."""
    judged = judgement(history(50), HOURLY, run(-200, 20), after_ns=at(-HOUR / 2))
    assert _events(judged) == [("skipped", at(0))]


def test_a_run_that_died_before_a_due_time_hides_no_miss() -> None:
    """Each look reads the events that the looks before it wrote: until the run is silent it seems to live."""
    each = opened(-200, alive=-20.0)
    written = list[Event]()
    found = list[str]()
    for now in (10.0, 50.0, 100.0, 300.0):
        evidence = server(now, sender("a", now - 5), sender("b", now - 5))
        judged = judgement(evidence, HOURLY, each.run, open_runs=(each,), after_ns=at(-HOUR / 2), events=tuple(written))
        written += judged.events
        found = names_of(judged)
    assert [(event.event, event.at_ns) for event in written] == [("missed", at(0))]
    assert found == ["silent", "missed"]


def test_a_run_that_is_silent_for_days_holds_up_no_word() -> None:
    """Of a run that was killed and never ended, all is known."""
    old, each = opened(-3 * DAY, alive=-3 * DAY + 60), opened(-200, alive=30.0)
    evidence = server(50, sender("a", 45), sender("b", 45))
    judged = judgement(evidence, HOURLY, old.run, each.run, open_runs=(old, each), after_ns=at(-HOUR / 2))
    assert ("skipped", at(0)) in _events(judged)
