from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from otel_job_measure.expectations.expectation import DueList, ExpectedJob, Skip
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.absence import Span
from otel_job_measure.insight.findings import LEVELS, ORDER, STATES
from otel_job_measure.insight.run_store import LastRuns
from otel_job_measure.insight.states import Judgement
from otel_job_measure.points.monitor import Event

from .made import (
    DAY,
    HOUR,
    JOB,
    STEADY_HOURLY,
    at,
    expected,
    history,
    judgement,
    names_of,
    of_name,
    opened,
    run,
    sender,
    server,
)

HOURLY: dict[str, Any] = {"schedule": "0 * * * *", "timezone": "UTC"}
Case = Callable[[], Judgement]


def _of(now: float, limits: dict[str, Any], *runs: RunRecord, **values: Any) -> Case:  # noqa: ANN401 - of `judgement`
    return lambda: judgement(history(now), expected(**limits), *STEADY_HOURLY, *runs, **values)


CASES: list[tuple[str, Case, list[tuple[str, Case]]]] = [
    (
        "silent",
        _of(400, {}, open_runs=(opened(2, 182),)),
        [
            ("a sign of life", _of(400, {}, open_runs=(opened(2, 242),))),
            ("its end", _of(400, {}, run(2, 390), open_runs=(opened(2, 182),))),
        ],
    ),
    (
        "overrun",
        _of(31, {"max_runtime_s": 20.0}, run(2, 30)),
        [
            ("an end within it", _of(3700, {"max_runtime_s": 20.0}, run(2, 30), run(3602, 3610))),
            ("a failure within it", _of(3700, {"max_runtime_s": 20.0}, run(2, 30), run(3602, 3610, reason="error"))),
        ],
    ),
    (
        "overrun",
        _of(30, {"max_runtime_s": 20.0}, open_runs=(opened(2, 29),)),
        [("its end within it", _of(30, {"max_runtime_s": 20.0}, run(2, 21), open_runs=(opened(2, 29),)))],
    ),
    (
        "missed",
        _of(400, HOURLY),
        [
            ("a run that matches a later due time", _of(3700, HOURLY, run(3602, 3612))),
            ("a run that a scheduler makes up for", _of(1000, HOURLY, run(900, 910, lag_s=900.0))),
            ("a success by hand", _of(1000, HOURLY, run(900, 910, trigger="manual"))),
        ],
    ),
    (
        "never ran",
        lambda: judgement(history(400), expected(first_seen=-10, **HOURLY)),
        [("the first run", lambda: judgement(history(3700), expected(first_seen=-10, **HOURLY), run(3601, 3602)))],
    ),
    (
        "failing",
        _of(20, {}, run(2, 12, reason="error", error_type="ValueError")),
        [("a success", _of(3620, {}, run(2, 12, reason="error"), run(3602, 3612)))],
    ),
    (
        "failing",
        _of(7230, {"failures": 2}, run(2, 12, reason="error"), run(3602, 3612, reason="timeout")),
        [
            ("only one failure", _of(20, {"failures": 2}, run(2, 12, reason="error"))),
            (
                "a success between them",
                _of(7230, {"failures": 2}, run(2, 3, reason="exit"), run(5, 6), run(3602, 3603, reason="exit")),
            ),
        ],
    ),
    (
        "stale",
        _of(4 * HOUR, {"max_age_s": 4 * HOUR}),
        [("a success", _of(4 * HOUR, {"max_age_s": 4 * HOUR}, run(3 * HOUR, 3 * HOUR + 1)))],
    ),
    (
        "stale",
        lambda: judgement(history(4 * HOUR), expected(first_seen=0, max_age_s=3 * HOUR)),
        [("not yet", lambda: judgement(history(2 * HOUR), expected(first_seen=0, max_age_s=3 * HOUR)))],
    ),
    (
        "unknown",
        lambda: judgement(server(400), expected(**HOURLY), *STEADY_HOURLY),
        [("data", lambda: judgement(server(400, sender("a", 390)), expected(**HOURLY), *STEADY_HOURLY, run(3, 9)))],
    ),
    (
        "too often",
        _of(30, {"min_interval_s": 60.0}, run(2, 3), run(20, 21)),
        [("a start far enough", _of(90, {"min_interval_s": 60.0}, run(2, 3), run(20, 21), run(80, 81)))],
    ),
    (
        "too short",
        _of(30, {"min_runtime_s": 5.0}, run(2, 3)),
        [("a longer run", _of(30, {"min_runtime_s": 5.0}, run(2, 3), run(4, 10)))],
    ),
    (
        "late",
        _of(90, HOURLY),
        [("a run that matches", _of(90, HOURLY, run(80, 81))), ("not late yet", _of(59, HOURLY))],
    ),
    (
        "slower",
        _of(6 * HOUR, {}, *(run(each * HOUR, each * HOUR + 15) for each in range(5))),
        [
            (
                "faster runs",
                _of(9 * HOUR, {}, *(run(each * HOUR, each * HOUR + (15 if each < 4 else 10)) for each in range(8))),
            )
        ],
    ),
    (
        "running",
        _of(30, {}, open_runs=(opened(2, 29),)),
        [("its end", _of(30, {}, run(2, 12), open_runs=(opened(2, 29),)))],
    ),
    ("ok", _of(30, {}), [("anything else", _of(30, {}, run(2, 12, reason="error")))]),
]


@pytest.mark.parametrize(
    ("name", "makes"), [pytest.param(name, makes, id=f"{name} {place}") for place, (name, makes, _) in enumerate(CASES)]
)
def test_each_state_is_made(name: str, makes: Case) -> None:
    """What the table of states says of each state makes it, and it is the job's state."""
    judged = makes()
    assert judged.state.name == name
    assert judged.state.level == LEVELS[name]


@pytest.mark.parametrize(
    ("name", "clears"),
    [pytest.param(name, clears, id=f"{name}: {by}") for name, _, cleared in CASES for by, clears in cleared],
)
def test_each_state_is_cleared(name: str, clears: Case) -> None:
    """What the table of states says of each state clears it."""
    assert name not in names_of(clears())


def test_all_states_have_a_case() -> None:
    """No state is left out, and each level is the rule's."""
    assert {name for name, _, _ in CASES} == {kind.name for kind in STATES}
    assert [kind.level for kind in STATES] == [2, 2, 2, 2, 2, 2, 3, 1, 1, 1, 1, 0, 0]


LIMITS: dict[str, tuple[str, dict[str, Any]]] = {
    "schedule": ("missed", HOURLY),
    "every": ("missed", {"every_s": 450.0}),
    "max_runtime": ("overrun", {"max_runtime_s": 20.0}),
    "min_runtime": ("too short", {"min_runtime_s": 5.0}),
    "min_interval": ("too often", {"min_interval_s": 600.0}),
    "failures": ("failing", {"failures": 2}),
    "max_age": ("stale", {"max_age_s": 300.0}),
}
BREAKS_ALL = (run(-600, -599, reason="error"), run(-90, -89, reason="exit"))
GOES_ON = opened(500, 590)
"""With these, each limit is exceeded."""


PAIRS = [(one, other) for one in LIMITS for other in LIMITS if {one, other} != {"schedule", "every"}]
"""A job has a schedule or an interval."""


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_no_limit_moves_another_one(one: str, other: str) -> None:
    """With both limits, both are found just as alone; a generous one finds nothing and changes nothing."""
    (name, limits), (other_name, others) = LIMITS[one], LIMITS[other]

    def found(given: dict[str, Any]) -> dict[str, Any]:
        judged = judgement(history(600), expected(**given), *STEADY_HOURLY, *BREAKS_ALL, open_runs=(GOES_ON,))
        return {finding.name: finding for finding in judged.findings if finding.name != "running"}

    both = found(limits | others)
    assert both[name] == found(limits)[name]
    assert both[other_name] == found(others)[other_name]
    generous = {limit: 3 if limit == "failures" else 10 * DAY for limit in others if limit.startswith(("max", "fail"))}
    generous |= {limit: 0.001 for limit in others if limit.startswith("min")}
    if one != other:
        assert found(limits | generous)[name] == both[name]
        assert other_name == "missed" or other_name not in found(limits | generous)


@pytest.mark.parametrize("limit", LIMITS)
def test_no_limit_moves_what_needs_none(limit: str) -> None:
    """A run is silent and a job is slower just as without the limit."""
    slow = [run(each * HOUR, each * HOUR + 15) for each in range(5)]

    def found(given: dict[str, Any]) -> dict[str, Any]:
        open_runs = (opened(5 * HOUR, 5 * HOUR + 100),)
        judged = judgement(history(6 * HOUR), expected(**given), *STEADY_HOURLY, *slow, open_runs=open_runs)
        return {finding.name: finding for finding in judged.findings}

    alone, limited = found({}), found(LIMITS[limit][1])
    assert {"silent", "slower"} <= alone.keys()
    assert [limited[name] for name in ("silent", "slower")] == [alone[name] for name in ("silent", "slower")]


def test_all_that_holds_is_listed_in_the_order_of_the_table() -> None:
    """The first finding is the state."""
    limits = {name: value for _, some in LIMITS.values() for name, value in some.items() if name != "every_s"}
    judged = judgement(
        history(600), expected(**limits), *STEADY_HOURLY, *BREAKS_ALL, open_runs=(GOES_ON, opened(400, 410, uuid="s"))
    )
    assert names_of(judged) == [
        *("silent", "overrun", "missed", "failing", "stale", "too often", "too short", "running")
    ]
    assert names_of(judged) == sorted(names_of(judged), key=ORDER.__getitem__)


def test_without_an_expectation_a_job_is_not_missed() -> None:
    """Failures, silence and slowness need no expectation; nothing else is found."""
    assert names_of(judgement(history(DAY), None, *STEADY_HOURLY)) == ["ok"]
    assert names_of(judgement(history(DAY), None, *STEADY_HOURLY, run(1, 2, reason="error"))) == ["failing"]


def test_a_retired_job_is_not_judged() -> None:
    """A job that was removed while it failed is no alarm for ever; one that runs again is judged."""
    of = expected(retired=100, max_age_s=60.0, **HOURLY)
    assert names_of(judgement(history(DAY), of, *STEADY_HOURLY, run(1, 2, reason="error"))) == ["ok"]
    assert names_of(judgement(history(DAY), of, *STEADY_HOURLY, run(200, 201, reason="error"))) == ["failing"]


def test_a_job_that_is_not_in_force_yet_misses_nothing() -> None:
    """No due time lies before the job was first seen."""
    assert names_of(judgement(history(400), expected(first_seen=1, **HOURLY))) == ["ok"]


def test_a_skip_is_no_miss_and_clears_none() -> None:
    """A maintenance window settles its due times, and a miss before it stays."""
    skip = Skip(at(HOUR), at(3 * HOUR), "moving")
    judged = judgement(history(HOUR + 500), expected(skips=(skip,), **HOURLY), *STEADY_HOURLY)
    assert of_name(judged, "missed").due_ns == at(0)
    judged = judgement(history(HOUR + 500), expected(skips=(skip,), **HOURLY), *STEADY_HOURLY, run(1, 2))
    assert names_of(judged) == ["ok"]
    assert [(event.event, event.at_ns, event.detail) for event in judged.events] == [("skipped", at(HOUR), "moving")]


def test_attempts_of_a_task_count_once_by_the_last() -> None:
    """A task that succeeds at its third attempt never was a failure; one that only retries has no outcome yet."""
    task = [
        run(2, 3, reason="error", task_id="t", attempt=1),
        run(10, 11, reason="retry", task_id="t", attempt=2),
    ]
    assert names_of(judgement(history(20), None, *STEADY_HOURLY, *task)) == ["ok"]
    done = run(15, 16, task_id="t", attempt=3)
    assert names_of(judgement(history(20), None, done, *STEADY_HOURLY, *task)) == ["ok"]
    gave_up = run(15, 16, reason="error", task_id="t", attempt=3)
    judged = judgement(history(20), expected(failures=1), gave_up, *STEADY_HOURLY, *task)
    assert (judged.state.name, judged.state.uuid, judged.state.detail) == (
        "failing",
        "u15",
        "the last run failed: error",
    )


@pytest.mark.parametrize(
    ("reason", "error_type", "text"),
    [("exit", "exit 3", "exit 3"), ("error", "ValueError", "error, ValueError"), ("lost", None, "lost")],
)
def test_a_failing_job_says_once_what_it_failed_of(reason: str, error_type: str | None, text: str) -> None:
    """An exit code says already that it was an exit."""
    judged = judgement(history(20), None, *STEADY_HOURLY, run(2, 3, reason=reason, error_type=error_type))
    assert (judged.state.name, judged.state.detail) == ("failing", f"the last run failed: {text}")


@pytest.mark.parametrize("reason", ["retry", "rejected", "revoked", "skipped"])
def test_an_outcome_without_success_has_no_vote(reason: str) -> None:
    """It makes no failure, and it clears none."""
    quiet = run(10, 11, reason=reason)
    assert names_of(judgement(history(20), None, *STEADY_HOURLY, quiet)) == ["ok"]
    assert names_of(judgement(history(20), None, *STEADY_HOURLY, run(2, 3, reason="error"), quiet)) == ["failing"]


def test_a_lost_run_ends_no_overrun() -> None:
    """It says how long the job lived at least, not that it ended in time."""
    limits = {"max_runtime_s": 20.0}
    lost = run(100, 105, reason="lost")
    assert "overrun" in names_of(_of(200, limits, run(2, 30), lost)())
    assert "overrun" not in names_of(_of(200, limits, lost)())
    assert "overrun" in names_of(_of(200, limits, run(100, 190, reason="lost"))())


def test_since_says_when_the_episode_began() -> None:
    """Two misses in a row are one episode, which began at the first; the evidence names the last."""
    judged = judgement(history(2 * HOUR + 400), expected(**HOURLY), *STEADY_HOURLY)
    assert (judged.state.since_ns, judged.state.due_ns, judged.state.detail) == (at(0), at(2 * HOUR), "3 in a row")
    assert not judged.state.from_before


def test_an_episode_can_reach_further_back_than_the_look() -> None:
    """The checker knows from its last pass when it began."""
    last = LastRuns(job=JOB, run=run(-9 * DAY, -9 * DAY + 1), success=run(-9 * DAY, -9 * DAY + 1))
    judged = judgement(history(400), expected(**HOURLY), last=last)
    assert judged.state.name == "missed"
    assert judged.state.from_before


def test_what_was_missed_since_the_last_run_is_counted_also_before_the_look() -> None:
    """A job that has been missed for five days is not missed for two; of a new one, all due times are seen."""
    ended = LastRuns(job=JOB, run=run(-5 * DAY, -5 * DAY + 1), success=run(-5 * DAY, -5 * DAY + 1))
    now, since = history(3 * HOUR + 400), at(HOUR) - 1
    judged = judgement(now, expected(**HOURLY), last=ended, after_ns=since)
    assert (judged.state.detail, judged.state.since_ns) == (f"{5 * 24 + 3} in a row", at(-5 * DAY + HOUR))
    assert len([event for event in judged.events if event.event == "missed"]) == 3
    new = replace(expected(**HOURLY), first_seen_ns=since + 1)
    assert judgement(now, new, after_ns=since).state.detail == "3 in a row"


def test_a_last_run_that_began_and_ended_before_its_due_time_came_for_it() -> None:
    """A host whose clock is a little ahead runs early: that due time was not missed."""
    early = run(-5 * DAY - 10, -5 * DAY - 5)
    now, since = history(3 * HOUR + 400), at(HOUR) - 1
    judged = judgement(now, expected(**HOURLY), last=LastRuns(job=JOB, run=early, success=early), after_ns=since)
    assert (judged.state.detail, judged.state.since_ns) == (f"{5 * 24 + 3} in a row", at(-5 * DAY + HOUR))


def test_what_was_missed_before_the_look_is_counted_only_if_it_is_certain() -> None:
    """A run by hand that failed clears nothing, a gap leaves unknown what was due, and of many not all are counted."""
    now, since = history(3 * HOUR + 400), at(HOUR) - 1
    by_hand = LastRuns(job=JOB, run=run(-5 * DAY, -5 * DAY + 1, reason="error", trigger="manual"), success=None)
    judged = judgement(now, expected(**HOURLY), last=by_hand, after_ns=since)
    assert judged.state.detail == f"{5 * 24 + 3} or more in a row"
    ended = LastRuns(job=JOB, run=run(-5 * DAY, -5 * DAY + 1), success=run(-5 * DAY, -5 * DAY + 1))
    gap = replace(now, gaps=(Span(at(-4 * DAY), at(-4 * DAY + 60)),))
    judged = judgement(gap, expected(**HOURLY), last=ended, after_ns=since)
    assert (judged.state.detail, judged.state.since_ns) == ("3 or more in a row", at(HOUR))
    often = expected(schedule="*/2 * * * *", timezone="UTC")
    count, *said = judgement(now, often, last=ended, after_ns=since).state.detail.split()
    assert (" ".join(said), 200 < int(count) < 300) == ("or more in a row", True)


def test_the_last_success_counts_whatever_its_age() -> None:
    """A run that only the memory of last runs still has is a run: the job is missed, not one that never ran."""
    last = LastRuns(job=JOB, run=run(-29 * DAY, -29 * DAY + 1, reason="error"), success=None)
    assert judgement(history(400), expected(**HOURLY), last=last).state.name == "missed"
    old = LastRuns(job=JOB, run=run(-20 * DAY, -20 * DAY + 1), success=run(-20 * DAY, -20 * DAY + 1))
    assert names_of(judgement(history(0), expected(max_age_s=19 * DAY), last=old)) == ["stale"]
    assert names_of(judgement(history(0), expected(max_age_s=21 * DAY), last=old)) == ["ok"]


def test_events_tell_each_finding_once_and_always_the_same() -> None:
    """Two checkers that look at different times write identical events."""
    limits: dict[str, Any] = {"max_runtime_s": 20.0, **HOURLY}
    runs = [*STEADY_HOURLY, run(2 * HOUR + 5, 2 * HOUR + 35)]
    early = judgement(history(2 * HOUR + 400), expected(**limits), *runs)
    late = judgement(history(2 * HOUR + 3000), expected(**limits), *runs)
    assert early.events == late.events
    assert [(event.event, event.at_ns, event.due_ns, event.uuid) for event in early.events] == [
        ("missed", at(0), at(0), None),
        ("missed", at(HOUR), at(HOUR), None),
        ("recovered", at(2 * HOUR + 5), at(0), "u7205.0"),
        ("overrun", at(2 * HOUR + 25), None, "u7205.0"),
    ]


def test_a_miss_that_late_data_refute_is_withdrawn() -> None:
    """The event is written again under the same time, so that it replaces the wrong one."""
    told = Event(job=JOB, event="missed", at_ns=at(0), due_ns=at(0))
    judged = judgement(history(3000), expected(**HOURLY), *STEADY_HOURLY, run(2, 12), events=(told,))
    assert judged.events == (replace(told, uuid="u2", withdrawn=True),)
    judged = judgement(history(3000), expected(**HOURLY), *STEADY_HOURLY, run(900, 901, lag_s=900.0), events=(told,))
    assert [event.event for event in judged.events] == ["missed", "recovered"]
    judged = judgement(
        history(3000), expected(**HOURLY), *STEADY_HOURLY, run(2, 12), events=(replace(told, withdrawn=True),)
    )
    assert judged.events == ()


def test_an_interval_counts_from_the_last_scheduled_start() -> None:
    """A restart moves the next due time, a manual run does not, and a missed due time counts as a start."""
    every = expected(first_seen=0, every_s=HOUR)
    assert names_of(judgement(history(HOUR + 100), every)) == ["late"]
    assert judgement(history(HOUR + 400), every).state.due_ns == at(HOUR)
    assert names_of(judgement(history(HOUR + 400), every, run(1800, 1801))) == ["ok"]
    assert judgement(history(2 * HOUR), every, run(1800, 1801)).state.due_ns == at(HOUR + 1800)
    by_hand = run(1800, 1801, trigger="manual")
    assert judgement(history(HOUR + 400), every, by_hand).state.due_ns == at(HOUR)
    assert [event.due_ns for event in judgement(history(3 * HOUR + 400), every).events] == [
        at(HOUR * n) for n in (1, 2, 3)
    ]


def test_a_schedule_that_cannot_be_known_is_unknown() -> None:
    """After the last due time that a scheduler has said, nothing is missed, and the job is not ok either."""
    listed = replace(
        expected(first_seen=-DAY, by_scheduler=True, grace_s=60.0),
        due_lists=(DueList(at(-DAY), at(10), (at(0),)),),
    )
    assert names_of(judgement(history(30), listed, run(0, 1))) == ["unknown"]
    assert names_of(judgement(history(5), listed, run(0, 1))) == ["ok"]
    assert names_of(judgement(history(100), listed, run(-200, -190))) == ["missed", "unknown"]


def _hosts_with(*found: str) -> ExpectedJob:
    return expected(host=found[0], **HOURLY)


def test_each_host_has_due_times_of_its_own() -> None:
    """With the scope `host`, only the evidence of that host counts."""
    evidence = server(600, sender("a", 590), sender("b", 590, -10, pending=5))
    assert judgement(evidence, _hosts_with("a"), *STEADY_HOURLY).state.name == "missed"
    judged = judgement(evidence, _hosts_with("b"), *STEADY_HOURLY)
    assert (judged.state.name, judged.host) == ("unknown", "b")
