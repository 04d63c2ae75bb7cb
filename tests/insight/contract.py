"""The contract of a `RunStore`: every store passes it, over the same lines.

A test module of a store imports `StoreContract`, derives a class `Test…` from it, and has the fixture `load`: a
function that puts lines of line protocol into an empty store and returns that store. All times lie in the past of any
clock, except where a test says so, and no two points share a series and a time, because InfluxDB keeps one of such.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final, Protocol

import pytest

from otel_job_measure import names
from otel_job_measure.expectations.encoding import encode
from otel_job_measure.expectations.expectation import Expectation, ExpectedJob, JobId, Source, Version
from otel_job_measure.history.run_record import RUNNING
from otel_job_measure.insight.run_store import ALL, RunStore, Wanted
from otel_job_measure.points.monitor import Event, Expected, Sender, State
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import clean_field, clean_tag
from tests.insight.plain_store import PlainStore

NOW_NS: Final = 1_700_000_000_000_000_000
"""The time of most runs, in November 2023."""
CLOCK_NS: Final = 1_790_000_000_000_000_000
"""A present after them."""
SECOND: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND
FAR_NS: Final = 7_258_118_400_000_000_000
"""The year 2200."""
EARLY_NS: Final = -1_000_000_000_000_000_000
"""The year 1938."""
JOB: Final = JobId("nightly", "billing", "production")
FAILED: Final = Outcome(reason=names.REASON_ERROR, error_type="ValueError")
LOST: Final = Outcome(reason=names.REASON_LOST)
RETRY: Final = Outcome(reason=names.REASON_RETRY, error_type="Retry")
ODD: Final = (
    "n" * 1024,
    "é" * 512,
    "🚂 über Zürich",
    r"C:\jobs\new",
    'say "hi"',
    "it's",
    "two\nlines",
    "tab\there",
    "\u202eright to left",
    "a,b=c d",
    "100%_done",
    "[ab]c",
    "{x}|(y)^$.+",
    "--",
    "0",
    "true",
    "/etc/cron.d/x",
    "${HOME}",
)


class Load(Protocol):
    """Puts lines into an empty store and returns it."""

    def __call__(self, data: bytes) -> RunStore:
        """Returns the store with these lines."""
        ...


def started(uuid: str, at: int, job: JobId = JOB, *, tags: DefaultTags | None = None) -> bytes:
    """Returns the start of a run, `at` ns since 1970."""
    return start_line(_series(job, tags), uuid, at)


def ended(
    uuid: str,
    at: int,
    job: JobId = JOB,
    *,
    outcome: Outcome | None = None,
    took_s: float | None = None,
    host: str | None = "host-1",
    attempt: int | None = None,
    task_id: str | None = None,
    run_row: bool = True,
    tags: DefaultTags | None = None,
) -> bytes:
    """Returns the end of a run; without `run_row` as `OTEL_JOB_MEASURE_RUNS=off` writes it."""
    ending = Ending(
        uuid=uuid,
        outcome=outcome or Outcome(),
        end_ns=at,
        duration_s=took_s,
        host=host,
        attempt=attempt,
        task_id=task_id,
    )
    return ending_lines(_series(job, tags), ending, run_row=run_row, error_message=True)


def whole(uuid: str, at: int, job: JobId = JOB, *, took_s: float = 1.5, outcome: Outcome | None = None) -> bytes:
    """Returns a run from its start to its end."""
    return started(uuid, at, job) + ended(uuid, at + int(took_s * SECOND), job, took_s=took_s, outcome=outcome)


def _series(job: JobId, tags: DefaultTags | None) -> Series:
    return Series(job.job, tags or DefaultTags(datacenter="fra", project=job.project or None, stage=job.stage or None))


def uuids(store: RunStore, wanted: Wanted = ALL) -> list[str]:
    """Returns the ids of the latest runs."""
    return [run.uuid for run in store.latest(wanted, 100)]


class StoreContract:
    """What every store answers."""

    def test_an_empty_store_has_empty_answers(self, load: Load) -> None:
        """There is no error, and no answer has anything in it."""
        store = load(b"")
        assert store.latest(ALL, 10) == []
        assert store.count(ALL) == 0
        assert store.recent(ALL, 5) == {}
        assert store.find("a") == []
        assert store.summaries(ALL) == []
        assert store.open_runs(ALL) == []
        assert store.last_runs(ALL) == []
        assert store.failures(ALL) == []
        assert store.attempts("t") == []
        assert list(store.starts(ALL)) == []
        assert store.events(EARLY_NS) == []
        assert store.states() == []
        assert store.senders(EARLY_NS) == []
        assert list(store.expectations()) == []
        assert store.label

    def test_a_run_comes_back_as_its_rows_tell(self, load: Load) -> None:
        """Every field of a run is there, further tags too."""
        tags = DefaultTags("fra", "billing", None, (("host.name", "web 1"), ("k8s.pod", "a=b")))
        series = Series("nightly", tags)
        ending = Ending(
            uuid="abc123",
            outcome=Outcome("timeout", "TimeoutError", 'no "answer"\\'),
            end_ns=NOW_NS + 3,
            duration_s=0.25,
            host="web-1",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            span_id="b7ad6b7169203331",
            attempt=2,
            lag_s=0.5,
            queued_s=3.0,
            trigger="schedule",
            task_id="t-1",
        )
        data = start_line(series, "abc123", NOW_NS) + ending_lines(series, ending, run_row=True, error_message=True)
        assert load(data).latest(ALL, 1) == PlainStore(data, CLOCK_NS).latest(ALL, 1)

    def test_the_latest_are_the_newest_first(self, load: Load) -> None:
        """Runs are ordered by their starts to the nanosecond, equal ones by their ids; at most `limit` come."""
        store = load(
            whole("b", NOW_NS)
            + whole("c", NOW_NS + 1)
            + started("a", NOW_NS + 2)
            + whole("y", NOW_NS + 3, JobId("x"))
            + whole("x", NOW_NS + 3, JobId("y"))
        )
        assert uuids(store) == ["y", "x", "a", "c", "b"]
        assert [run.uuid for run in store.latest(ALL, 2)] == ["y", "x"]

    def test_the_latest_of_each_job(self, load: Load) -> None:
        """A busy job hides no other one; a run without a start counts from its end; open runs are among them."""
        other, ended_only = JobId("other", "billing", "staging"), JobId("no start")
        store = load(
            b"".join(whole(f"b{n:03}", NOW_NS + n) for n in range(200))
            + started("open", NOW_NS + 500)
            + whole("old", NOW_NS - 90 * DAY_NS, other)
            + whole("older", NOW_NS - 400 * DAY_NS, other)
            + ended("e1", NOW_NS + 100, ended_only)
            + ended("e2", NOW_NS - DAY_NS, ended_only)
        )

        def recent(wanted: Wanted, per_job: int) -> dict[str, list[str]]:
            return {job.job: [run.uuid for run in runs] for job, runs in store.recent(wanted, per_job).items()}

        assert recent(ALL, 3) == {
            "nightly": ["open", "b199", "b198"],
            "no start": ["e1", "e2"],
            "other": ["old", "older"],
        }
        assert list(recent(ALL, 1)) == ["nightly", "no start", "other"]
        assert recent(Wanted(since_ns=NOW_NS - DAY_NS, until_ns=NOW_NS + 2), 5) == {
            "nightly": ["b001", "b000"],
            "no start": ["e2"],
        }
        assert recent(Wanted(job="o*", stage="staging"), 1) == {"other": ["old"]}
        assert recent(Wanted(words=("running",)), 9) == {"nightly": ["open"]}
        assert recent(ALL, 0) == {}

    def test_a_run_that_ended_before_others_of_its_job_began_is_in_its_place(self, load: Load) -> None:
        """Runs without a start stand among those with one, whichever comes first."""
        store = load(
            whole("new", NOW_NS + 50 * SECOND)
            + ended("end", NOW_NS + 40 * SECOND)
            + whole("old", NOW_NS)
            + ended("first", NOW_NS - DAY_NS)
        )
        for count, expected in ((1, ["new"]), (2, ["new", "end"]), (3, ["new", "end", "old"])):
            assert [run.uuid for run in store.recent(ALL, count)[JOB]] == expected

    @pytest.mark.parametrize("name", ["*", "a?", "[ab]*", "**"])
    def test_a_name_with_wild_characters_can_be_meant_exactly(self, load: Load, name: str) -> None:
        """Then no other job is meant, in any question."""
        job = JobId(name, "p", "s")
        store = load(
            whole("mine", NOW_NS, job) + b"".join(whole(n, NOW_NS + 5, JobId(n, "p", "s")) for n in ("ab", "b"))
        )
        exact = Wanted.of_job(job)
        assert uuids(store, exact) == ["mine"]
        assert list(store.recent(exact, 5)) == [job]
        assert [each.job for each in store.summaries(exact)] == [job]
        assert [each.job for each in store.last_runs(exact)] == [job]
        assert [run.uuid for run in store.starts(exact)] == ["mine"]

    def test_quantiles_are_nearest_rank(self, load: Load) -> None:
        """Of the durations 1 to 11 the median is 6 and the 95th percentile 11; of two, the median is the first."""
        long = b"".join(whole(f"run{n}", NOW_NS + n, took_s=float(n)) for n in range(1, 12))
        two = whole("a", NOW_NS, JobId("two"), took_s=2.0) + whole("b", NOW_NS + 1, JobId("two"), took_s=4.0)
        one = whole("c", NOW_NS, JobId("one"), took_s=0.1)
        first, second, third = load(long + two + one).summaries(ALL)
        assert (first.p50_s, first.p95_s, first.longest_s) == (6.0, 11.0, 11.0)
        assert (second.job, second.p50_s, second.p95_s) == (JobId("one"), 0.1, 0.1)
        assert (third.job, third.p50_s, third.p95_s, third.longest_s) == (JobId("two"), 2.0, 4.0, 4.0)

    def test_a_summary_counts_each_run_once(self, load: Load) -> None:
        """Runs that ended, failed, and are open make up all; a lost run has no duration."""
        store = load(
            whole("a", NOW_NS, took_s=2.0)
            + whole("b", NOW_NS + 1, took_s=4.0, outcome=FAILED)
            + started("c", NOW_NS + 2)
            + ended("c", NOW_NS + 60 * SECOND, outcome=LOST)
            + started("d", NOW_NS + 3)
        )
        (found,) = store.summaries(ALL)
        assert (found.job, found.runs, found.ended, found.failed, found.running) == (JOB, 4, 1, 2, 1)
        assert found.success == 1 / 3
        assert (found.p50_s, found.p95_s, found.longest_s) == (2.0, 4.0, 4.0)
        assert found.last_started_ns == NOW_NS + 3

    def test_a_job_without_endings_has_neither_durations_nor_success(self, load: Load) -> None:
        """None is not zero."""
        (found,) = load(started("a", NOW_NS)).summaries(ALL)
        assert (found.success, found.p50_s, found.p95_s, found.longest_s) == (None, None, None, None)
        assert (found.runs, found.running) == (1, 1)

    def test_a_lost_run_that_came_back_ended_well(self, load: Load) -> None:
        """Its true ending counts, once, whatever recovery guessed before."""
        lost = ended("a", NOW_NS + SECOND, outcome=LOST)
        store = load(started("a", NOW_NS) + lost + ended("a", NOW_NS + 9 * SECOND, took_s=9.0))
        (found,) = store.summaries(ALL)
        assert (found.runs, found.ended, found.failed, found.p50_s) == (1, 1, 0, 9.0)
        assert store.failures(ALL) == []
        assert uuids(store, Wanted(words=(names.REASON_LOST,))) == []
        (last,) = store.last_runs(ALL)
        assert last.success is not None
        assert last.run.ended_ns == last.success.ended_ns == NOW_NS + 9 * SECOND

    def test_open_runs_come_oldest_first(self, load: Load) -> None:
        """A run is open until any row ends it, lost or not."""
        store = load(
            started("new", NOW_NS + 5)
            + started("old", NOW_NS)
            + whole("done", NOW_NS + 1)
            + started("lost", NOW_NS + 2)
            + ended("lost", NOW_NS + 9, outcome=LOST)
            + started("off", NOW_NS + 3)
            + ended("off", NOW_NS + 10, run_row=False)
            + started("other", NOW_NS + 4, JobId("hourly"))
        )
        assert [each.run.uuid for each in store.open_runs(ALL)] == ["old", "other", "new"]
        assert [each.run.uuid for each in store.open_runs(Wanted(job="hourly"))] == ["other"]
        assert [each.run.uuid for each in store.open_runs(Wanted(since_ns=NOW_NS + 1, until_ns=NOW_NS + 5))] == [
            "other"
        ]
        (first, *_) = store.open_runs(ALL)
        assert (first.run.status, first.alive_ns, first.interval_s) == (RUNNING, None, None)

    def test_a_run_without_a_start_counts_from_its_end(self, load: Load) -> None:
        """It lies in the time in which it ended, and has no last start."""
        store = load(ended("a", NOW_NS, took_s=3.0) + whole("b", NOW_NS - 5, JobId("other")))
        assert uuids(store) == ["a", "b"]
        assert uuids(store, Wanted(since_ns=NOW_NS)) == ["a"]
        assert uuids(store, Wanted(until_ns=NOW_NS)) == ["b"]
        assert [run.uuid for run in store.starts(ALL)] == ["b", "a"]
        (found,) = store.summaries(Wanted(job="nightly"))
        assert (found.runs, found.p50_s, found.last_started_ns) == (1, 3.0, None)
        (last,) = store.last_runs(Wanted(job="nightly"))
        assert last.run.uuid == "a"

    def test_a_run_without_a_run_row_has_its_status_and_its_duration(self, load: Load) -> None:
        """With RUNS=off, nothing is known of the reason; the duration goes from the start to the end."""
        store = load(
            started("a", NOW_NS)
            + ended("a", NOW_NS + 2 * SECOND, run_row=False)
            + started("b", NOW_NS + 1)
            + ended("b", NOW_NS + 3 * SECOND, run_row=False, outcome=FAILED)
            + ended("c", NOW_NS + 4 * SECOND, run_row=False, outcome=FAILED)
        )
        (found,) = store.summaries(ALL)
        assert (found.runs, found.ended, found.failed, found.success) == (3, 1, 2, 1 / 3)
        assert (found.p50_s, found.longest_s) == (2.0, (3 * SECOND - 1) / 1e9)
        (failure,) = store.failures(ALL)
        assert (failure.reason, failure.error_type, failure.count) == (None, None, 2)
        assert failure.last_ns == NOW_NS + 4 * SECOND

    def test_jobs_are_apart_by_project_and_stage(self, load: Load) -> None:
        """No other tag makes another job: two datacenters of one stage count as one."""
        jobs = [JobId("a", "p", "s"), JobId("a", "p", "t"), JobId("a", "q", "s"), JobId("a"), JobId("a", "", "s")]
        data = b"".join(whole(f"run{n}", NOW_NS + n, job) for n, job in enumerate(jobs))
        elsewhere = DefaultTags("ber", "p", "s", (("host.name", "web-1"),))
        store = load(data + started("more", NOW_NS + 9, jobs[0], tags=elsewhere))
        assert [(each.job, each.runs) for each in store.summaries(ALL)] == [
            (JobId("a"), 1),
            (JobId("a", "", "s"), 1),
            (JobId("a", "p", "s"), 2),
            (JobId("a", "p", "t"), 1),
            (JobId("a", "q", "s"), 1),
        ]
        assert [each.job for each in store.last_runs(ALL)] == sorted(jobs)
        assert uuids(store, Wanted(project="p")) == ["more", "run1", "run0"]
        assert uuids(store, Wanted(project="")) == ["run4", "run3"]
        assert uuids(store, Wanted(project="", stage="")) == ["run3"]
        assert uuids(store, Wanted(job="a", project="q", stage="s")) == ["run2"]
        assert uuids(store, Wanted(project="P")) == []

    def test_a_retry_votes_neither_for_nor_against_the_job(self, load: Load) -> None:
        """It failed, with its reason, but has no success."""
        store = load(
            whole("a", NOW_NS, outcome=RETRY) + whole("b", NOW_NS + 1) + whole("c", NOW_NS, JobId("x"), outcome=RETRY)
        )
        first, second = store.summaries(ALL)
        assert (first.runs, first.ended, first.failed, first.success) == (2, 1, 1, 1.0)
        assert (second.failed, second.success) == (1, None)
        assert [(each.job, each.reason, each.error_type) for each in store.failures(ALL)] == [
            (JOB, "retry", "Retry"),
            (JobId("x"), "retry", "Retry"),
        ]

    def test_runs_are_chosen_by_status_and_reason(self, load: Load) -> None:
        """A run has one of the words; several words widen the choice."""
        store = load(
            whole("end", NOW_NS)
            + whole("error", NOW_NS + 1, outcome=FAILED)
            + started("lost", NOW_NS + 2)
            + ended("lost", NOW_NS + 9, outcome=LOST)
            + started("open", NOW_NS + 3)
        )
        assert uuids(store, Wanted(words=("end",))) == ["end"]
        assert uuids(store, Wanted(words=("failed",))) == ["lost", "error"]
        assert uuids(store, Wanted(words=("lost", "running"))) == ["open", "lost"]
        assert uuids(store, Wanted(words=("running", "end", "failed"))) == ["open", "lost", "error", "end"]
        assert uuids(store, Wanted(words=("timeout",))) == []
        assert store.count(Wanted(words=("failed",))) == 2
        assert [each.runs for each in store.summaries(Wanted(words=("end", "running")))] == [2]

    def test_runs_are_chosen_by_host(self, load: Load) -> None:
        """Only a run that says where it ran has a host."""
        store = load(ended("a", NOW_NS, host="web-1") + ended("b", NOW_NS + 1, host="web-2") + started("c", NOW_NS + 2))
        assert uuids(store, Wanted(host="web-1")) == ["a"]
        assert store.count(Wanted(host="web-2")) == 1
        assert uuids(store, Wanted(host="web")) == []

    def test_runs_are_chosen_by_patterns(self, load: Load) -> None:
        """`*` is any text and `?` is one character; everything else means itself, whatever the case."""
        jobs = ["night", "nightly", "Nightly", "night[1]", "night1", "n.ght", "ünight", "night\nly"]
        store = load(b"".join(whole(f"run{n}", NOW_NS + n, JobId(job)) for n, job in enumerate(jobs)))

        def found(pattern: str) -> list[str]:
            return [each.job.job for each in store.summaries(Wanted(job=pattern))]

        assert found("night*") == ["night", "night1", "night[1]", r"night\nly", "nightly"]
        assert found("night??") == ["nightly"]
        assert found("?ight*") == ["Nightly", *found("night*")]
        assert found("night[1]") == ["night[1]"]
        assert found("[n]*") == []
        assert found("n.ght") == ["n.ght"]
        assert found("?night") == ["ünight"]
        assert found("*") == sorted(clean_tag(job) for job in jobs)
        assert found("**ly") == ["Nightly", r"night\nly", "nightly"]
        assert found("") == []
        assert [each.job.job for each in store.last_runs(Wanted(job="*1*"))] == ["night1", "night[1]"]
        assert uuids(store, Wanted(job="*a*b*c*d*e*f*g*h*i*j*k*")) == []

    @pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
    def test_odd_names_come_back_and_are_found(self, load: Load, odd: str) -> None:
        """Jobs, projects, stages, hosts and errors with any text are stored, found and counted."""
        tag, field = clean_tag(odd), clean_field(odd)
        job = JobId(odd, odd, odd)
        end = ended("a", NOW_NS + 5, job, took_s=1.0, host=odd, task_id=odd, outcome=Outcome("error", error_type=odd))
        store = load(started("a", NOW_NS, job) + end + whole("b", NOW_NS))
        (run,) = store.latest(Wanted(job=tag, project=tag, stage=tag, host=field), 10)
        assert (run.job, run.project, run.stage, run.host, run.error_type) == (tag, tag, tag, field, field)
        (failure,) = store.failures(Wanted(project=tag))
        assert (failure.job, failure.error_type, failure.count) == (JobId(tag, tag, tag), field, 1)
        assert [each.run.uuid for each in store.last_runs(Wanted(stage=tag))] == ["a"]
        assert [each.uuid for each in store.attempts(field)] == ["a"]

    def test_times_before_1970_and_far_ahead_are_ordered(self, load: Load) -> None:
        """No question leaves out a run because its clock was wrong."""
        store = load(
            whole("early", EARLY_NS)
            + whole("zero", 0)
            + whole("now", NOW_NS)
            + whole("far", FAR_NS)
            + started("open", FAR_NS + 9)
        )
        assert uuids(store) == ["open", "far", "now", "zero", "early"]
        assert uuids(store, Wanted(since_ns=0, until_ns=FAR_NS)) == ["now", "zero"]
        assert uuids(store, Wanted(until_ns=0)) == ["early"]
        assert store.count(ALL) == 5
        (found,) = store.summaries(ALL)
        assert (found.runs, found.last_started_ns) == (5, FAR_NS + 9)
        assert [run.uuid for run in store.starts(ALL)] == ["early", "zero", "now", "far", "open"]
        assert [each.run.uuid for each in store.open_runs(ALL)] == ["open"]

    def test_a_run_ahead_of_the_clock_is_the_last_only_if_there_is_no_other(self, load: Load) -> None:
        """One run with a wrong clock must not hide for years that a job has stopped."""
        ahead, only = JobId("ahead"), JobId("only ahead")
        store = load(whole("now", NOW_NS, ahead) + whole("far", FAR_NS, ahead) + whole("lone", FAR_NS, only))
        assert [each.run.uuid for each in store.last_runs(ALL)] == ["now", "lone"]
        assert [each.success and each.success.uuid for each in store.last_runs(ALL)] == ["now", "lone"]

    def test_the_last_run_and_the_last_success_of_each_job(self, load: Load) -> None:
        """An open run is a last run; a failure is no success; the runs are complete."""
        other = JobId("other", "billing", "staging")
        data = (
            whole("a", NOW_NS)
            + whole("b", NOW_NS + 1, outcome=FAILED)
            + started("c", NOW_NS + 2)
            + whole("d", NOW_NS, other, outcome=FAILED)
        )
        store = load(data)
        first, second = store.last_runs(ALL)
        assert (first.job, first.run.uuid, first.run.status) == (JOB, "c", RUNNING)
        assert first.success is not None
        assert (first.success.uuid, first.success.duration_s) == ("a", 1.5)
        assert (second.job, second.run.uuid, second.success) == (other, "d", None)
        assert [each.job for each in store.last_runs(Wanted(stage="staging"))] == [other]
        assert store.last_runs(ALL) == PlainStore(data, CLOCK_NS).last_runs(ALL)

    def test_the_time_asked_for_leaves_the_last_runs_alone(self, load: Load) -> None:
        """Of what is wanted, only job, project and stage choose the jobs whose last runs are told."""
        store = load(whole("a", NOW_NS) + whole("b", NOW_NS + 9, JobId("hourly")))
        (found,) = store.last_runs(Wanted(job="night*", since_ns=NOW_NS + 5, words=("failed",), host="web"))
        assert found.run.uuid == "a"

    def test_failures_come_the_most_frequent_first(self, load: Load) -> None:
        """They are counted by job, reason and error; equal counts go by the names."""
        store = load(
            b"".join(whole(f"v{n}", NOW_NS + n, outcome=FAILED) for n in range(3))
            + whole("o", NOW_NS + 5, outcome=Outcome("error", "OSError"))
            + whole("t", NOW_NS + 6, outcome=Outcome("timeout", "OSError"))
            + whole("x", NOW_NS + 7, JobId("x"), outcome=Outcome("exit"))
            + whole("fine", NOW_NS + 8)
        )
        assert [(each.job.job, each.reason, each.error_type, each.count) for each in store.failures(ALL)] == [
            ("nightly", "error", "ValueError", 3),
            ("nightly", "error", "OSError", 1),
            ("nightly", "timeout", "OSError", 1),
            ("x", "exit", None, 1),
        ]
        assert store.failures(ALL)[0].last_ns == NOW_NS + 2 + 3 * SECOND // 2
        assert [each.count for each in store.failures(Wanted(since_ns=NOW_NS + 1, job="nightly"))] == [2, 1, 1]

    def test_runs_are_found_by_the_beginning_of_their_id(self, load: Load) -> None:
        """It is text and no pattern, and upper and lower case differ."""
        store = load(
            b"".join(whole(uuid, NOW_NS + n) for n, uuid in enumerate(["abc", "abd", "ABC", "a*c", "a%c", "a_c"]))
        )
        assert [run.uuid for run in store.find("ab")] == ["abd", "abc"]
        assert [run.uuid for run in store.find("abc")] == ["abc"]
        assert [run.uuid for run in store.find("A")] == ["ABC"]
        assert [run.uuid for run in store.find("a*")] == ["a*c"]
        assert [run.uuid for run in store.find("a%")] == ["a%c"]
        assert [run.uuid for run in store.find("a_")] == ["a_c"]
        assert [run.uuid for run in store.find("a", 2)] == ["a_c", "a%c"]
        assert store.find("bc") == []
        assert store.find("'\"\\") == []

    def test_the_attempts_of_a_task_come_in_order(self, load: Load) -> None:
        """The number of the attempt counts, then the time; another task's attempts are left out."""
        store = load(
            ended("second", NOW_NS, attempt=2, task_id="t", outcome=FAILED)
            + ended("first", NOW_NS + 5, attempt=1, task_id="t", outcome=RETRY)
            + ended("third", NOW_NS + 9, attempt=3, task_id="t")
            + ended("other", NOW_NS + 7, attempt=1, task_id="T")
            + ended("none", NOW_NS + 8)
        )
        assert [run.uuid for run in store.attempts("t")] == ["first", "second", "third"]
        assert [run.uuid for run in store.attempts("T")] == ["other"]
        assert store.attempts("") == []

    def test_the_same_id_in_two_projects_is_two_runs(self, load: Load) -> None:
        """A run is identified by its id and its series."""
        store = load(whole("a", NOW_NS, JobId("j", "p")) + started("a", NOW_NS + 1, JobId("j", "q")))
        assert store.count(ALL) == 2
        assert [each.run.project for each in store.open_runs(ALL)] == ["q"]
        assert [run.project for run in store.find("a")] == ["q", "p"]

    def test_one_run_beside_a_crowd_is_found(self, load: Load) -> None:
        """The job with most runs hides no other one, wherever that lies in time."""
        crowd = b"".join(whole(f"c{n:04}", NOW_NS + n) for n in range(2000))
        store = load(crowd + whole("lone", NOW_NS + 1000, JobId("weekly"), took_s=7.0, outcome=FAILED))
        assert uuids(store, Wanted(job="weekly")) == ["lone"]
        assert uuids(store, Wanted(words=("failed",))) == ["lone"]
        assert [(each.job.job, each.runs) for each in store.summaries(ALL)] == [("nightly", 2000), ("weekly", 1)]
        assert [each.run.uuid for each in store.last_runs(ALL)] == ["c1999", "lone"]
        assert store.count(Wanted(job="n*")) == 2000

    def test_events_come_oldest_first(self, load: Load) -> None:
        """A row that is written again replaces the former one; the end of the time does not belong to it."""
        missed = Event(job=JOB, event=names.EVENT_MISSED, at_ns=NOW_NS, due_ns=NOW_NS, detail="no run")
        over = Event(job=JOB, event=names.EVENT_OVERRUN, at_ns=NOW_NS + 9, uuid="abc")
        other = Event(job=JobId("a"), event=names.EVENT_MISSED, at_ns=NOW_NS + 9, due_ns=NOW_NS + 5)
        store = load(b"".join(map(line_of, (over, other, missed))))
        assert store.events(NOW_NS) == [missed, other, over]
        assert store.events(NOW_NS + 1) == [other, over]
        assert store.events(NOW_NS, NOW_NS + 9) == [missed]
        withdrawn = replace(missed, withdrawn=True, detail="ran after all")
        assert load(line_of(withdrawn)).events(NOW_NS, NOW_NS + 9) == [withdrawn]

    def test_the_last_state_of_each_job(self, load: Load) -> None:
        """Older states are left out; the states come in the order of the jobs."""
        old = State(job=JOB, at_ns=NOW_NS, state="missed", level=2, since_ns=NOW_NS - 5, due_ns=NOW_NS - 5)
        new = State(job=JOB, at_ns=NOW_NS + 1, state="ok", level=0, since_ns=NOW_NS + 1)
        other = State(job=JobId("a"), at_ns=NOW_NS, state="late", level=1, since_ns=NOW_NS)
        assert load(b"".join(map(line_of, (new, old, other)))).states() == [other, new]

    def test_the_last_word_of_each_host(self, load: Load) -> None:
        """A host that was silent since the time that is asked for is left out."""
        words = [
            Sender(host="web-2", at_ns=NOW_NS + 5000, complete_until_ns=NOW_NS, pending=7, left=False),
            Sender(host="web-1", at_ns=NOW_NS + 1000, complete_until_ns=NOW_NS, pending=9, left=False),
            Sender(host="web-1", at_ns=NOW_NS + 2000, complete_until_ns=NOW_NS + 2, pending=0, left=True),
        ]
        store = load(b"".join(map(line_of, words)))
        assert store.senders(NOW_NS) == [words[2], words[0]]
        assert store.senders(NOW_NS + 3000) == [words[0]]

    def test_what_should_happen_comes_back(self, load: Load) -> None:
        """Each source's last version of each job is there, the retired ones too."""
        code = _expected(JOB, "code", "billing", schedule="5 2 * * *")
        gone = replace(code, retired_ns=NOW_NS + 5, retired_why="not in the file any more")
        file = _expected(JOB, "file", "/etc/jobs.toml", max_age_s=3600.0)
        other = _expected(JobId("a"), "code", "billing", every_s=60.0)
        rows = (
            _expected_row(code, 1, 0),
            _expected_row(gone, 2, 5),
            _expected_row(file, 1, 0),
            _expected_row(other, 1, 0),
        )
        assert list(load(b"".join(map(line_of, rows))).expectations()) == [other, gone, file]

    def test_of_runs_that_began_together_each_question_takes_the_same_one_for_the_last(self, load: Load) -> None:
        """The order of the newest is the reverse of the other one, also where an answer is cut."""
        zones = [DefaultTags(zone, JOB.project, JOB.stage) for zone in ("fra", "ams", "lon")]
        store = load(
            whole("before", NOW_NS - SECOND)
            + b"".join(
                started(uuid, NOW_NS, tags=zone) + ended(uuid, NOW_NS + SECOND, tags=zone)
                for uuid, zone in zip("bca", zones, strict=True)
            )
        )
        in_order = ["before", "a", "b", "c"]
        assert [run.uuid for run in store.starts(ALL)] == in_order
        for count in range(1, 5):
            newest = in_order[: -count - 1 : -1]
            assert [run.uuid for run in store.latest(ALL, count)] == newest
            assert [run.uuid for run in store.recent(ALL, count)[JOB]] == newest
            assert [run.uuid for run in store.checked_runs(ALL, {JOB: count}.__getitem__)[JOB]] == newest[::-1]
        (last,) = store.last_runs(ALL)
        assert (last.run.uuid, last.success and last.success.uuid) == ("c", "c")

    @pytest.mark.parametrize("seed", range(3))
    def test_random_runs_are_counted_as_one_counts_them_by_hand(self, load: Load, seed: int) -> None:
        """Every answer equals that of the plainest store, for every choice."""
        data = some_runs(300, seed)
        compare(load(data), PlainStore(data, CLOCK_NS), self.chosen(seed))

    def chosen(self, seed: int) -> Sequence[Wanted]:
        """Returns what is wanted of random runs; a store to which each question is a request takes fewer."""
        del seed
        return tuple(choices())

    def test_twenty_thousand_runs_are_counted_right(self, load: Load) -> None:
        """No limit of a query, a page or a batch cuts an answer."""
        data = some_runs(20_000, 7)
        compare(load(data), PlainStore(data, CLOCK_NS), (ALL, Wanted(job="job-1*", words=("failed", "running"))))


def _expected(job: JobId, source: Source, origin: str, **limits: Any) -> ExpectedJob:  # noqa: ANN401 - of each type
    versions = (Version(NOW_NS, Expectation(**limits)),)
    return ExpectedJob(job=job, source=source, origin=origin, first_seen_ns=NOW_NS, versions=versions)


def _expected_row(job: ExpectedJob, version: int, later_ns: int) -> Expected:
    return Expected(job=job.job, at_ns=NOW_NS + later_ns, source=job.source, version=version, text=encode(job))


def choices() -> Iterator[Wanted]:
    """Yields what may be wanted, in many combinations."""
    times = ((None, None), (NOW_NS + 100, None), (NOW_NS + 50, NOW_NS + 250))
    jobs: Sequence[Wanted] = (ALL, Wanted(job="job-*1"), Wanted(project="p", stage="s"), Wanted(project="", host="h2"))
    for (since, until), job, words in product(times, jobs, ((), ("failed",), ("lost", "running"))):
        yield replace(job, since_ns=since, until_ns=until, words=words)


def _most(job: JobId) -> int:
    return {"": 0, "s": 3, "t": 99}[job.stage]


def compare(store: RunStore, plain: RunStore, wanted: Sequence[Wanted] = ()) -> None:
    """Asks both stores everything."""
    for each in wanted or choices():
        assert store.count(each) == plain.count(each)
        assert store.recent(each, 3) == plain.recent(each, 3)
        assert store.summaries(each) == plain.summaries(each)
        assert store.failures(each) == plain.failures(each)
        assert store.open_runs(each) == plain.open_runs(each)
        assert store.last_runs(each) == plain.last_runs(each)
        assert store.latest(each, 25) == plain.latest(each, 25)
        assert list(store.starts(each)) == list(plain.starts(each))
        assert store.checked_runs(each, _most) == plain.checked_runs(each, _most)
    assert store.attempts("t7") == plain.attempts("t7")
    assert store.find("r1") == plain.find("r1")


def some_runs(count: int, seed: int) -> bytes:
    """Returns runs of a few jobs with every kind of ending, in a random order."""
    draw = random.Random(seed)
    parts: list[bytes] = []
    for number in range(count):
        job = JobId(f"job-{draw.randrange(30)}", draw.choice(["", "p"]), draw.choice(["", "s", "t"]))
        start, uuid = NOW_NS + number, f"r{number}"
        took_s = draw.randrange(1, 10**6) / 64
        end = start + int(took_s * SECOND)
        kind = draw.randrange(10)
        host = draw.choice([None, "h1", "h2"])
        outcome = draw.choice([None, None, FAILED, RETRY, Outcome("exit"), Outcome("error", "OSError", "gone")])
        if kind:
            parts.append(started(uuid, start, job))
        if kind == 1:
            continue
        if kind in {2, 3}:
            parts.append(ended(uuid, end, job, outcome=LOST, host=host))
        if kind != 2:
            parts.append(
                ended(
                    uuid,
                    end + draw.randrange(1, 99),
                    job,
                    outcome=outcome,
                    took_s=took_s if kind % 2 else None,
                    host=host,
                    attempt=draw.choice([None, 1, 2]),
                    task_id=f"t{number % 100}" if kind > 4 else None,
                    run_row=kind != 4,
                )
            )
    draw.shuffle(parts)
    return b"".join(parts)
