from dataclasses import replace
from typing import Any

import pytest

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.absence import Evidence, Span
from otel_job_measure.insight.facts import Facts
from otel_job_measure.insight.hosts import About, about_hosts, hosts_ahead, told_of
from otel_job_measure.insight.states import Judgement, judge

from .made import DAY, HOUR, JOB, STEADY_HOURLY, at, expected, run, sender, server

HOURLY: dict[str, Any] = {"schedule": "0 * * * *", "timezone": "UTC"}


def _jobs(evidence: Evidence, count: int, *runs: RunRecord, host: str | None = "a", of: str = "job") -> list[Judgement]:
    """Judges jobs that have the same runs."""
    found: list[Judgement] = []
    for number in range(count):
        job = JobId(f"{of}{number}", JOB.project, JOB.stage)
        expectation = replace(expected(host=host, **HOURLY), job=job)
        facts = Facts(job=job, expected=expectation, runs=(*STEADY_HOURLY, *runs), after_ns=at(-DAY))
        found.append(judge(facts, evidence))
    return found


def _told(judgements: list[Judgement], evidence: Evidence) -> tuple[list[tuple[str | None, str]], list[str]]:
    """Returns what is said of hosts, and of jobs."""
    abouts = about_hosts(judgements, evidence)
    jobs = [finding.name for each in judgements for finding in told_of(each, abouts) if finding.level]
    return [(about.host, about.finding.name) for about in abouts], jobs


def test_a_silent_sender_is_one_finding_in_place_of_those_of_its_jobs() -> None:
    """A dead host with three jobs is one critical finding, when a word has been missing for three minutes."""
    early = server(239, sender("a", 0), sender("b", 230))
    assert _told(_jobs(early, 3), early) == ([], ["late"] * 3)
    evidence = server(600, sender("a", 0), sender("b", 590))
    judgements = _jobs(evidence, 3)
    assert [each.state.name for each in judgements] == ["missed"] * 3
    assert _told(judgements, evidence) == ([("a", "host silent")], [])
    (about,) = about_hosts(judgements, evidence)
    assert (about.finding.level, about.finding.since_ns, len(about.instead_of)) == (2, at(0), 3)


def test_a_sender_that_left_is_no_silent_host() -> None:
    """A command that ends says so; its silence means nothing."""
    evidence = server(300, sender("a", 0, left=True), sender("b", 290))
    assert _told(_jobs(evidence, 3), evidence) == ([], ["late"] * 3)


@pytest.mark.parametrize(("count", "hosts"), [(1, []), (2, [("a", "host silent")])])
def test_a_host_of_which_no_job_comes_is_silent(count: int, hosts: list[tuple[str, str]]) -> None:
    """If cron is dead and the sender lives, two jobs or more are one finding; a single one stands for itself."""
    evidence = server(600, sender("a", 590), sender("b", 590))
    assert _told(_jobs(evidence, count), evidence) == (hosts, [] if hosts else ["missed"])


def test_a_host_on_which_another_job_came_is_there() -> None:
    """Two broken jobs beside a good one are two findings; so are two that were missed before others still came."""
    evidence = server(600, sender("a", 590), sender("b", 590))
    judgements = [*_jobs(evidence, 2), *_jobs(evidence, 1, run(2, 12), of="good")]
    assert _told(judgements, evidence) == ([], ["missed", "missed"])
    later = server(HOUR + 100, sender("a", HOUR + 90), sender("b", HOUR + 90))
    judgements = [*_jobs(later, 2), *_jobs(later, 1, run(2, 12), of="good")]
    assert _told(judgements, later)[0] == []


def test_jobs_that_run_anywhere_make_no_silent_host() -> None:
    """A pod is no host in this sense: its jobs may run on any."""
    evidence = server(600, sender("a", 0), sender("b", 590))
    assert _told(_jobs(evidence, 3, host=None), evidence) == ([], ["missed"] * 3)


def test_after_an_outage_the_other_hosts_have_time_to_speak() -> None:
    """The first host that is back does not make the others silent."""
    gap = (Span(at(0), at(5000)),)
    evidence = server(5020, sender("a", -30), sender("b", 5010), gaps=gap)
    assert ("a", "host silent") not in _told(_jobs(evidence, 3), evidence)[0]
    evidence = server(5240, sender("a", -30), sender("b", 5230), gaps=gap)
    assert ("a", "host silent") in _told(_jobs(evidence, 3), evidence)[0]


def test_an_outage_of_an_hour_is_one_warning_for_the_store() -> None:
    """No job is told meanwhile, however many there are. A run could still come in its grace, which does not count."""
    for now in (1800, 3700):
        evidence = server(now, sender("a", -30), sender("b", -30))
        judgements = _jobs(evidence, 50)
        assert _told(judgements, evidence) == ([], [])
        assert {each.state.name for each in judgements} == {"unknown"}
    evidence = server(4000, sender("a", -30), sender("b", -30))
    assert _told(_jobs(evidence, 50), evidence) == ([(None, "unknown")], [])


def test_a_backlog_of_an_hour_is_one_warning_for_its_host() -> None:
    """The store has the rows of the others."""
    evidence = server(4000, sender("a", 3990, -100, pending=9), sender("b", 3990))
    assert _told(_jobs(evidence, 5), evidence) == ([("a", "unknown")], [])


@pytest.mark.parametrize(("ahead_s", "is_ahead"), [(209, False), (210, True), (300, True)])
def test_a_clock_ahead_is_one_finding_and_its_misses_are_unknown(ahead_s: int, *, is_ahead: bool) -> None:
    """A clock five minutes ahead still looks more than 210 s ahead to a checker that comes 90 s later."""
    words = {"a": sender("a", 3700 + ahead_s), "b": sender("b", 3690)}
    ahead = hosts_ahead((), words, {}, at(3700))
    assert bool(ahead) is is_ahead
    evidence = server(3700, *words.values(), ahead=ahead)
    judgements = _jobs(evidence, 1, run(2, 12), of="x")
    assert _told(judgements, evidence)[0] == ([("a", "clock")] if is_ahead else [])
    by_run = hosts_ahead([run(3700 + ahead_s, host="c")], {}, {}, at(3700))
    assert set(by_run) == ({"c"} if is_ahead else set())


def test_a_clock_that_was_ahead_is_remembered() -> None:
    """Runs of that time are never called missed; a host that speaks again with a right clock is right from then on."""
    known = {"a": Span(at(0), at(5000))}
    assert hosts_ahead((), {"a": sender("a", 4990)}, known, at(9000)) == {"a": Span(at(0), at(9000))}
    assert hosts_ahead((), {"a": sender("a", 8990)}, known, at(9000)) == known
    evidence = server(9000, sender("a", 8990), ahead=known)
    assert about_hosts([], evidence) == []
    late = run(500, 510, lag_s=500.0)
    judged = judge(
        Facts(
            job=JOB, expected=expected(**HOURLY), runs=(*STEADY_HOURLY, late, run(HOUR, HOUR + 1), run(2 * HOUR, 7201))
        ),
        evidence,
    )
    assert [event.event for event in judged.events if event.at_ns >= at(0)] == []


def test_findings_of_other_jobs_are_not_replaced() -> None:
    """Only what a silent host explains is left out."""
    evidence = server(600, sender("a", 0), sender("b", 590))
    judgements = _jobs(evidence, 2, run(-60, -50, reason="error"))
    assert _told(judgements, evidence) == ([("a", "host silent")], ["failing", "failing"])
    assert isinstance(about_hosts(judgements, evidence)[0], About)
