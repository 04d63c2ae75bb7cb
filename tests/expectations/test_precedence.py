"""Which source counts, if several say what a job should do."""

from dataclasses import replace

from otel_job_measure.expectations.expectation import (
    DueList,
    Expectation,
    ExpectedJob,
    JobId,
    Skip,
    Source,
    Version,
)
from otel_job_measure.expectations.precedence import effective, joined

NIGHTLY = JobId("nightly", "billing", "production")


def said(source: Source, expectation: Expectation, *, since_ns: int = 10, host: str | None = None) -> ExpectedJob:
    """Returns what a source says of the job."""
    return ExpectedJob(
        job=NIGHTLY,
        source=source,
        origin=f"the {source}",
        host=host,
        first_seen_ns=since_ns,
        versions=(Version(since_ns, expectation),),
    )


def test_the_first_source_that_states_a_limit_counts() -> None:
    """The code before `exec`, a scheduler, a file and a crontab; the other limits are taken from the others."""
    code = said("code", Expectation(schedule="@daily", timezone="UTC", max_runtime_s=60))
    file = said("file", Expectation(schedule="@hourly", timezone="Europe/Riga", max_runtime_s=5, max_age_s=7))
    found = effective([file, code])
    assert len(found) == 1
    assert (found[0].source, found[0].origin) == ("code", "the code")
    assert found[0].expectation == Expectation(schedule="@daily", timezone="UTC", max_runtime_s=60, max_age_s=7)


def test_the_code_may_limit_what_a_scheduler_times() -> None:
    """The scheduler's lists stay, with the limits of the code."""
    lists = (DueList(10, 99, (20, 30)),)
    scheduler = replace(said("scheduler", Expectation(by_scheduler=True)), due_lists=lists)
    found = effective([said("code", Expectation(max_runtime_s=60, grace_s=5)), scheduler])[0]
    assert (found.source, found.due_lists) == ("scheduler", lists)
    assert found.expectation == Expectation(by_scheduler=True, max_runtime_s=60, grace_s=5)


def test_each_source_counts_from_when_it_was_seen() -> None:
    """What the file said before the code spoke was in force then."""
    file = said("file", Expectation(schedule="@hourly", timezone="UTC"), since_ns=10)
    code = said("code", Expectation(schedule="@daily", timezone="UTC"), since_ns=50)
    found = effective([code, file])[0]
    assert found.first_seen_ns == 10
    assert [(version.since_ns, version.expectation.schedule) for version in found.versions] == [
        (10, "@hourly"),
        (50, "@daily"),
    ]


def test_a_retired_source_leaves_the_word_to_the_next() -> None:
    """And a job is retired only if all its sources have retired it."""
    file = said("file", Expectation(schedule="@hourly", timezone="UTC"))
    code = replace(said("code", Expectation(schedule="@daily", timezone="UTC")), retired_ns=70, retired_why="removed")
    found = effective([code, file])[0]
    assert (found.source, found.expectation.schedule, found.retired_ns) == ("file", "@hourly", None)
    assert [version.expectation.schedule for version in found.versions] == ["@daily", "@hourly"]
    gone = effective([code, replace(file, retired_ns=90, retired_why="gone")])[0]
    assert (gone.retired_ns, gone.retired_why) == (90, "gone")


def test_the_first_source_decides_the_scope() -> None:
    """Hosts have due times of their own, unless the code says that any host will do."""
    hosts = [said("exec", Expectation(max_runtime_s=9, scope="host"), host=host) for host in ("a", "b")]
    file = said("file", Expectation(schedule="@daily", timezone="UTC"))
    found = effective([*hosts, file])
    assert [(job.host, job.expectation.schedule, job.expectation.scope) for job in found] == [
        ("a", "@daily", "host"),
        ("b", "@daily", "host"),
    ]
    code = said("code", Expectation(schedule="@hourly", timezone="UTC"))
    assert [(job.host, job.expectation.scope) for job in effective([*hosts, file, code])] == [(None, "any")]


def test_skips_of_all_sources_count() -> None:
    """A maintenance window in a file is one for a job in code too."""
    skip = Skip(1, 2, "move")
    file = replace(said("file", Expectation(max_age_s=9)), skips=(skip,))
    assert effective([said("code", Expectation(max_runtime_s=60)), file])[0].skips == (skip,)


def test_stages_are_jobs_of_their_own() -> None:
    """Two stages of one project share nothing."""
    staging = replace(said("code", Expectation(max_age_s=9)), job=NIGHTLY._replace(stage="staging"))
    assert len(effective([staging, said("code", Expectation(max_age_s=8))])) == 2


def test_containers_that_come_and_go_are_one_source() -> None:
    """A job was first seen by the first of them, and the last one speaks last."""
    first = said("code", Expectation(every_s=60), since_ns=10)
    second = said("code", Expectation(every_s=60), since_ns=50)
    third = said("code", Expectation(every_s=90), since_ns=70)
    (found,) = joined([second, third, first])
    assert found.first_seen_ns == 10
    assert [(version.since_ns, version.expectation.every_s) for version in found.versions] == [(10, 60), (70, 90)]
    gone = replace(first, retired_ns=60, retired_why="removed")
    assert joined([second, gone])[0].retired_ns == 60
    assert (joined([gone, third])[0].retired_ns, joined([gone, third])[0].first_seen_ns) == (None, 70)
    assert len(joined([first, said("code", Expectation(every_s=60), host="a")])) == 2
