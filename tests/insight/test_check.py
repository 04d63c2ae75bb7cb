from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight import asked
from otel_job_measure.insight.absence import Evidence, Span
from otel_job_measure.insight.check import Checked, checked, wanted_jobs
from otel_job_measure.insight.check_rows import states_of
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.points.monitor import Sender, State

from .made import DAY, HOUR, JOB, STEADY_HOURLY, at, expected, history, run, sender
from .plain_store import PlainStore

HOURLY: dict[str, Any] = {"schedule": "0 * * * *", "timezone": "UTC"}


class _Store(PlainStore):
    """A store of some runs, which counts the questions about single jobs."""

    def __init__(self, *runs: RunRecord, expects: Sequence[ExpectedJob] = (), now: float = 0.0) -> None:
        super().__init__(b"", at(now))
        self._runs = list(runs)
        self.expects = expects
        self.words: list[Sender] = []
        self.before: list[State] = []
        self.single = 0

    def starts(self, wanted: Wanted) -> Any:  # noqa: ANN401 - an iterator
        self.single += wanted.job is not None
        return super().starts(wanted)

    def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
        self.single += wanted.job is not None
        return super().latest(wanted, limit)

    def senders(self, since_ns: int) -> list[Sender]:
        return self.words

    def states(self) -> list[State]:
        return self.before

    def expectations(self) -> Sequence[ExpectedJob]:
        return self.expects


def _states(found: Checked) -> dict[str, str]:
    return {each.job.job + (f"@{each.host}" if each.host else ""): each.state.name for each in found.judgements}


def test_each_job_is_judged_and_the_worst_level_counts() -> None:
    """Jobs that are expected and jobs that only ran are in one list; critical counts more than unknown."""
    never = replace(expected(first_seen=-DAY, **HOURLY), job=JobId("a never"))
    store = _Store(*STEADY_HOURLY, replace(run(-60, -50), job="z other"), expects=(never, expected(**HOURLY)), now=30)
    found = checked(store, history(30))
    assert _states(found) == {"a never": "never ran", "nightly": "ok", "z other": "ok"}
    assert found.level() == 2
    assert [state.state for state in states_of(found)] == ["never ran", "ok", "ok"]
    assert store.single == 0


def test_only_some_jobs_are_judged() -> None:
    """A job's name can be a pattern; another stage is another job."""
    staging = replace(expected(**HOURLY), job=JOB._replace(stage="staging"))
    store = _Store(*STEADY_HOURLY, expects=(staging, expected(**HOURLY)), now=30)
    assert [each.job.stage for each in checked(store, history(30)).judgements] == ["production", "staging"]
    found = checked(store, history(30), wants=wanted_jobs("night*", None, "staging"))
    assert [each.job.stage for each in found.judgements] == ["staging"]
    assert checked(store, history(30), wants=wanted_jobs("other", None, None)).judgements == ()


@pytest.mark.parametrize(("missed", "state"), [(True, "missed"), (False, "ok")])
def test_a_job_that_is_rarely_due_is_looked_at_back_to_its_last_due_time(*, missed: bool, state: str) -> None:
    """A weekly job that did not run is missed all the week, and one that ran is not, whatever ran by hand since."""
    weekly = expected(first_seen=-60 * DAY, schedule="0 0 * * 1", timezone="UTC")
    monday = -next(day for day in range(7) if (at(-day * DAY) // 10**9 // 86_400 + 3) % 7 == 0) * DAY
    now = monday + 5 * DAY
    by_hand = run(now - HOUR, now - 1800, reason="error", trigger="manual")
    runs = [run(monday - 7 * DAY + 2, monday - 7 * DAY + 9), by_hand]
    runs += [] if missed else [run(monday + 2, monday + 9, reason="error"), run(monday + 600, monday + 609)]
    found = checked(_Store(*runs, expects=(weekly,), now=now), history(now))
    (judgement,) = found.judgements
    names = [finding.name for finding in judgement.findings]
    assert ("missed" in names) is missed
    assert state in {*names, "ok"}


def test_each_host_is_judged_if_the_scope_is_the_host() -> None:
    """A run on one host is none on another one; the row of the job has the worst state."""
    on_b = tuple(replace(each, host="b", uuid=f"{each.uuid}b") for each in (*STEADY_HOURLY, run(2, 12)))
    expects = (expected(host="a", **HOURLY), expected(host="b", **HOURLY))
    found = checked(_Store(*STEADY_HOURLY, *on_b, expects=expects, now=600), history(600))
    assert _states(found) == {"nightly@a": "missed", "nightly@b": "ok"}
    assert [(state.state, state.level) for state in states_of(found)] == [("missed", 2)]


def test_more_failures_in_a_row_than_the_look_has_are_found() -> None:
    """A daily job that has failed for a week fails, though only two of its runs are looked at."""
    runs = [run(-day * DAY, -day * DAY + 5, reason="error") for day in range(7, 0, -1)]
    store = _Store(run(-8 * DAY, -8 * DAY + 5), *runs, expects=(expected(failures=5),))
    assert _states(checked(store, history(0)))["nightly"] == "failing"
    store = _Store(run(-8 * DAY, -8 * DAY + 5), *runs, expects=(expected(failures=8),))
    assert _states(checked(store, history(0)))["nightly"] == "ok"


def test_a_weekly_job_fails_by_its_last_outcomes() -> None:
    """Its failures lie weeks apart, and none in the time that is looked at."""
    weekly = expected(first_seen=-60 * DAY, schedule="0 0 * * 1", timezone="UTC", failures=2)
    monday = -next(day for day in range(7) if (at(-day * DAY) // 10**9 // 86_400 + 3) % 7 == 0) * DAY
    runs = [run(monday - week * 7 * DAY + 2, monday - week * 7 * DAY + 9, reason="error") for week in (1, 0)]
    now = monday + 5 * DAY
    assert _states(checked(_Store(*runs, expects=(weekly,), now=now), history(now)))["nightly"] == "failing"


def test_a_state_that_held_before_holds_since_then() -> None:
    """The time of an episode's begin does not move with the look, which counts only some due times further back."""
    often = expected(schedule="* * * * *", timezone="UTC")
    store = _Store(expects=(often,), now=400)
    since_ns = checked(store, history(400)).judgements[0].state.since_ns
    store.before = [State(job=JOB, at_ns=at(0), state="never ran", level=2, since_ns=at(-9 * DAY))]
    assert since_ns > at(-3 * DAY)
    assert checked(store, history(400)).judgements[0].state.since_ns == at(-9 * DAY)
    store.before = [State(job=JOB, at_ns=at(0), state="ok", level=0, since_ns=at(-9 * DAY))]
    assert checked(store, history(400)).judgements[0].state.since_ns == since_ns


def test_an_influxdb_is_asked_for_its_senders() -> None:
    """Without a word of any host nothing is missed, and the level is unknown."""
    store = _Store(*STEADY_HOURLY, expects=(expected(**HOURLY),), now=600)
    found = checked(store, Evidence(now_ns=at(600)))
    assert (_states(found), found.level()) == ({"nightly": "unknown"}, 3)
    store.words = [sender("a", 590)]
    assert _states(checked(store, Evidence(now_ns=at(600)))) == {"nightly": "missed"}


def test_an_empty_store_is_in_order() -> None:
    """Without jobs there is nothing to find."""
    found = checked(_Store(), history(0))
    assert (found.judgements, found.abouts, found.level()) == ((), (), 0)


@pytest.mark.parametrize("hours", range(6))
def test_an_interval_goes_on_from_the_run_before_the_look(hours: int) -> None:
    """Where its runs lie within the interval is known from the last one before, so nothing is missed at the edge."""
    every = expected(every_s=6 * HOUR, first_seen=-10 * DAY + HOUR)
    starts = [-10 * DAY + (hours + 6 * number) * HOUR for number in range(40)]
    runs = [run(start, start + 9) for start in starts]
    (judged,) = checked(_Store(*runs, expects=(every,)), history(30)).judgements
    assert [event.due_ns for event in judged.events] == []
    assert judged.state.name == "ok"


@pytest.mark.parametrize("count", [1, 10, 100])
@pytest.mark.parametrize("at_s", [-2 * DAY - HOUR, -2 * DAY - 3 * HOUR])
def test_runs_by_hand_before_the_look_do_not_hide_the_start_that_counts(count: int, at_s: float) -> None:
    """Where the runs of an interval lie is known from the last one that was due, however often it ran by hand since."""
    every = expected(every_s=6 * HOUR, first_seen=-10 * DAY + HOUR)
    starts = [-10 * DAY + (4 + 6 * number) * HOUR for number in range(40)]
    by_hand = [run(at_s + each, at_s + each + 0.5, uuid=f"hand{each}", trigger="manual") for each in range(count)]
    runs = [run(start, start + 9) for start in starts]
    (judged,) = checked(_Store(*by_hand, *runs, expects=(every,)), history(30)).judgements
    assert [event.due_ns for event in judged.events] == []


def test_what_was_due_in_an_outage_of_four_days_is_found_after_it() -> None:
    """The look goes back to the beginning of an outage that has just ended; with no outage it goes back two days."""
    runs = [run(hour * HOUR, hour * HOUR + 9) for hour in range(-120, 1) if hour != -80]
    store = _Store(*runs, expects=(expected(**HOURLY),))
    store.words = [sender("a", 590), sender("b", 590)]
    outage = Span(at(-4 * DAY), at(-60))
    (after,) = checked(store, Evidence(now_ns=at(600), gaps=(outage,))).judgements
    (usual,) = checked(store, Evidence(now_ns=at(600))).judgements
    assert [event.due_ns for event in after.events if event.event == "missed"] == [at(-80 * HOUR)]
    assert usual.events == ()


@pytest.mark.parametrize("host", [None, "h"])
def test_a_daily_job_can_be_slower(host: str | None) -> None:
    """Its runs of two days are too few to compare, so older ones are asked for."""
    job = expected(first_seen=-40 * DAY, host=host, schedule="0 0 * * *", timezone="UTC")
    runs = [run(-day * DAY, -day * DAY + (20 if day < 5 else 10), host="h") for day in range(30)]
    found = checked(_Store(*runs, expects=(job,), now=60), history(60))
    (finding,) = [each for each in found.judgements[0].findings if each.name == "slower"]
    assert finding.uuid == runs[4].uuid
    steady = [run(-day * DAY, -day * DAY + 10, host="h") for day in range(30)]
    assert [*_states(checked(_Store(*steady, expects=(job,), now=60), history(60))).values()] == ["ok"]


@pytest.mark.parametrize("took_s", [10.0, 25.0])
@pytest.mark.parametrize("failing", [0, 1, 20, 40, 140, 250])
def test_few_runs_tell_of_a_job_of_which_nothing_is_expected(
    monkeypatch: pytest.MonkeyPatch, failing: int, took_s: float
) -> None:
    """Only if many of the latest runs failed, all of the two days are read; the judgement is the same in each case."""

    def minutely(ago: int) -> RunRecord:
        reason = {"reason": "error", "error_type": "ValueError"} if ago <= failing else {}
        return run(-60 * ago, -60 * ago + (took_s if ago <= 8 else 10 + ago % 3), **reason)

    store = _Store(*(minutely(ago) for ago in range(400, 0, -1)))
    found = checked(store, history(0))
    assert store.single == (failing > 20)
    monkeypatch.setattr(asked, "_FEW", 3000)
    assert checked(store, history(0)).judgements == found.judgements
    if failing:
        assert f"the last {failing} runs failed" in found.judgements[0].state.detail or failing == 1
