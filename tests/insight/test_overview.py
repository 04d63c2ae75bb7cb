"""All jobs as people see them."""

import json
from dataclasses import replace
from typing import Any, Final

from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.check import checked
from otel_job_measure.insight.check_rows import states_of
from otel_job_measure.insight.encoding import job_page_object, overview_object, run_page_object
from otel_job_measure.insight.finding_words import IDLE
from otel_job_measure.insight.job_page import job
from otel_job_measure.insight.overview import Overview, jobs
from otel_job_measure.insight.quantiles import nearest_rank
from otel_job_measure.insight.run_page import found_runs
from otel_job_measure.insight.run_page import run as run_page
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.insight.tally import by_job

from .contract import CLOCK_NS, some_runs
from .made import DAY, HOUR, JOB, STEADY_HOURLY, at, expected, history, run
from .plain_store import PlainStore

HOURLY: Final[dict[str, Any]] = {"schedule": "0 * * * *", "timezone": "UTC"}


class OverviewStore(PlainStore):
    """A store of some runs and expectations."""

    def __init__(self, *runs: RunRecord, expects: tuple[ExpectedJob, ...] = (), now: float = 30.0) -> None:
        super().__init__(b"", at(now))
        self._runs = list(runs)
        self.expects = expects

    def expectations(self) -> tuple[ExpectedJob, ...]:
        return self.expects


def _overview(store: OverviewStore, now: float = 30, since: float = -7 * DAY, wanted: Wanted | None = None) -> Overview:
    return jobs(store, checked(store, history(now)), since_ns=at(since), wanted=wanted or Wanted())


def test_the_states_are_those_of_the_check() -> None:
    """Each job that the check judges has its state, and the worst comes first."""
    never = replace(expected(first_seen=-DAY, **HOURLY), job=JobId("a never"))
    store = OverviewStore(
        *STEADY_HOURLY,
        replace(run(-60, -50, uuid="f", reason="error"), job="z bad"),
        replace(run(-5 * DAY, -5 * DAY + 9, uuid="i"), job="b idle"),
        expects=(never, expected(**HOURLY)),
    )
    found = checked(store, history(30))
    shown = _overview(store)
    assert [each.job.job for each in shown.jobs] == ["z bad", "a never", "b idle", "nightly"]
    assert [each.state for each in shown.jobs] == ["failing", "never ran", IDLE, "ok"]
    states = {each.job: (each.state, each.level, each.since_ns) for each in states_of(found)}
    assert {each.job: (each.state, each.level, each.since_ns) for each in shown.jobs if each.findings} == states
    assert shown.level == found.level() == 2


def test_a_job_has_its_last_runs_and_its_next_due_time() -> None:
    """The strip goes from the oldest to the newest; the numbers are those of the period."""
    (shown,) = _overview(OverviewStore(*STEADY_HOURLY, expects=(expected(**HOURLY),)), since=-5.5 * HOUR).jobs
    assert [each.started_ns for each in shown.strip] == [each.started_ns for each in STEADY_HOURLY][-30:]
    assert (shown.summary.runs, shown.summary.success, shown.summary.p95_s) == (5, 1.0, 10.0)
    assert shown.last == shown.success == STEADY_HOURLY[-1]
    assert shown.next_due_ns == at(HOUR)


def test_the_95th_percentile_of_the_durations_1_to_11_is_11() -> None:
    """Quantiles are nearest rank here as everywhere."""
    runs = [run(-n * 100, -n * 100 + n) for n in range(1, 12)]
    (shown,) = _overview(OverviewStore(*runs)).jobs
    assert (shown.summary.p50_s, shown.summary.p95_s) == (6.0, 11.0)


def test_an_interval_counts_from_the_last_start() -> None:
    """After missed due times, the next one lies on the same grid, in the future."""
    every = expected(every_s=HOUR)
    (fine,) = _overview(OverviewStore(run(-600, -590), expects=(every,))).jobs
    assert fine.next_due_ns == at(-600 + HOUR)
    (late,) = _overview(OverviewStore(run(-10 * HOUR - 600, -10 * HOUR), expects=(every,))).jobs
    assert late.next_due_ns == at(-600 + HOUR)


def test_only_wanted_jobs_are_shown() -> None:
    """A pattern, a project and a host choose the jobs; an exact name means that job alone."""
    star = replace(run(-60, -50, uuid="s"), job="night*")
    store = OverviewStore(*STEADY_HOURLY, star, replace(run(-70, -60, uuid="o", host="b"), job="other"))

    def shown(wanted: Wanted) -> list[str]:
        return sorted(each.job.job for each in _overview(store, wanted=wanted).jobs)

    assert shown(Wanted(job="night*")) == ["night*", "nightly"]
    assert shown(Wanted.of_job(JobId("night*", JOB.project, JOB.stage))) == ["night*"]
    assert shown(Wanted(host="b")) == ["other"]
    assert shown(Wanted(project="no such")) == []


def test_a_job_that_ran_on_a_host_has_its_state_beside_those_that_are_judged_there() -> None:
    """A failing job is not idle because its host was asked for; the level is that of the jobs that are shown."""
    there = replace(expected(host="b", **HOURLY), job=JobId("hosted"))
    store = OverviewStore(
        *(replace(each, host="b", job="hosted", uuid=f"h{each.uuid}") for each in STEADY_HOURLY),
        replace(run(-60, -50, uuid="f", reason="error", host="b"), job="bad"),
        replace(run(-60, -50, uuid="g", reason="error", host="c"), job="elsewhere"),
        expects=(there,),
    )

    def shown(host: str | None) -> tuple[int, dict[str, str]]:
        found = _overview(store, wanted=Wanted(host=host))
        return found.level, {each.job.job: each.state for each in found.jobs}

    assert shown("b") == (2, {"bad": "failing", "hosted": "ok"})
    assert shown("c") == (2, {"elsewhere": "failing"})
    assert shown("d") == (0, {})
    assert shown(None)[1] == {"bad": "failing", "elsewhere": "failing", "hosted": "ok"}


def test_twenty_thousand_runs_are_shown_as_one_counts_them_by_hand() -> None:
    """The numbers of each job equal those of its runs, and so do those of the JSON."""
    store = PlainStore(some_runs(20_000, 7), CLOCK_NS)
    shown = jobs(store, checked(store, replace(history(0), now_ns=CLOCK_NS, complete_until_ns=CLOCK_NS)), since_ns=0)
    as_json = {(each["job"], each["project"], each["stage"]): each for each in overview_object(shown)["jobs"]}
    of_jobs = by_job(store.latest(Wanted(), 20_000))
    assert [each.job for each in sorted(shown.jobs, key=lambda each: each.job)] == list(of_jobs)
    assert len(of_jobs) == len(as_json)
    for each in shown.jobs:
        runs = of_jobs[each.job]
        durations = sorted(one.duration_s for one in runs if one.duration_s is not None)
        found = as_json[each.job.job, each.job.project or None, each.job.stage or None]
        assert (found["runs"], found["p50_s"], found["p95_s"]) == (
            len(runs),
            nearest_rank(durations, 50),
            nearest_rank(durations, 95),
        )
        assert [one["uuid"] for one in found["strip"]] == [one.uuid for one in reversed(runs[:30])]


def test_a_jobs_page_has_its_runs_failures_and_events() -> None:
    """What the check finds is among the events, although no row of it was written."""
    missing = tuple(each for each in STEADY_HOURLY if each.started_ns != at(-3 * HOUR + 2))
    bad = run(-1800, -1790, reason="error", error_type="OSError", uuid="bad", trigger="manual")
    store = OverviewStore(*missing, bad, expects=(expected(**HOURLY),))
    page = job(store, checked(store, history(30)), JOB, since_ns=at(-DAY))
    assert page is not None
    assert (page.view.job, page.view.state) == (JOB, "failing")
    assert page.expected.startswith("At 0 minutes past the hour") or page.expected
    assert [(each.reason, each.error_type, each.count) for each in page.failures] == [("error", "OSError", 1)]
    assert page.runs[0] == bad
    assert [(each.event, each.at_ns) for each in page.events] == [
        ("missed", at(-3 * HOUR)),
        ("recovered", at(-2 * HOUR + 2)),
    ]
    assert json.dumps(job_page_object(page))
    assert job(store, checked(store, history(30)), JobId("no such"), since_ns=0) is None


def test_a_job_that_ran_long_ago_still_has_a_page() -> None:
    """Its last run is known whatever the period; nothing else is."""
    store = OverviewStore(run(-90 * DAY, -90 * DAY + 5))
    page = job(store, checked(store, history(30)), JOB, since_ns=at(-DAY))
    assert page is not None
    assert (page.view.state, page.view.last, page.runs) == (IDLE, run(-90 * DAY, -90 * DAY + 5), ())
    assert json.dumps(job_page_object(page))


def test_a_run_is_shown_with_its_neighbours() -> None:
    """Runs of the same nanosecond are neighbours in the order of their ids; other jobs have no part in it."""
    runs = [run(-30, -20, uuid="a"), run(-30, -20, uuid="b"), run(-30, -20, uuid="c"), run(-10, -5, uuid="d")]
    store = OverviewStore(*runs, replace(run(-15, -14, uuid="x"), job="other"))

    def near(uuid: str) -> tuple[str | None, str | None]:
        (found,) = found_runs(store, uuid)
        page = run_page(store, found, at_ns=at(0))
        return None if page.before is None else page.before.uuid, None if page.after is None else page.after.uuid

    assert [near(uuid) for uuid in "abcdx"] == [(None, "b"), ("a", "c"), ("b", "d"), ("c", None), (None, None)]


def test_an_open_run_has_an_age_and_no_neighbour_after_it() -> None:
    """Its due time comes from its lag, and its trace from the template."""
    opened = run(-30, uuid="abc", trace_id="0af7", lag_s=5.0)
    store = OverviewStore(opened, run(-60, -50, uuid="abd"))
    assert [each.uuid for each in found_runs(store, "ab")] == ["abc", "abd"]
    page = run_page(store, opened, at_ns=at(10), trace_link="https://t/{trace_id}?{job}")
    assert (page.age_s, page.due_ns, page.after) == (40.0, at(-35), None)
    assert page.trace_url == "https://t/0af7?nightly"
    assert json.loads(json.dumps(run_page_object(page)))["run"]["uuid"] == "abc"


def test_a_whole_id_is_not_the_beginning_of_another() -> None:
    """A run whose id is the beginning of other ids can still be meant; nothing is meant by nothing."""
    store = OverviewStore(run(-30, -20, uuid="a"), run(-20, -10, uuid="ab"))
    assert [each.uuid for each in found_runs(store, "a")] == ["a"]
    assert found_runs(store, "") == []
