"""`jobs.toml`: what should happen, written by hand."""

from datetime import UTC, datetime

import pytest

from otel_job_measure.expectations.expectation import Expectation, JobId
from otel_job_measure.expectations.jobs_file import Recipient, parse_jobs_file
from otel_job_measure.expectations.toml_lines import Lines

NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
GOOD = """
[defaults]
project = "billing"
timezone = "Europe/Berlin"
grace = "5m"

[jobs.nightly]   # each night
schedule = "5 2 * * *"
max_runtime = "1h"

[jobs."import of orders"]
every = 600
project = "shop"
stage = "staging"

[jobs]
report = { schedule = "@weekly", timezone = "UTC", grace = "1h" }
watched = { max_age = "1d" }

[[job]]
name = "logrotate"
schedule = "@daily"
hosts = ["a", "b"]
"""


def problems(text: str) -> list[str]:
    """Returns what is wrong with a file."""
    return list(parse_jobs_file(text, NOW).problems)


def test_a_file_has_tables_of_jobs_and_defaults() -> None:
    """A default counts only where it means something: a time zone beside a schedule, a grace beside due times."""
    found = parse_jobs_file(GOOD, NOW, project="other", stage="production")
    assert found.problems == ()
    berlin = Expectation(timezone="Europe/Berlin", grace_s=300)
    assert {job.job: job.expectation for job in found.jobs} == {
        JobId("nightly", "billing", "production"): Expectation(
            schedule="5 2 * * *", timezone=berlin.timezone, grace_s=300, max_runtime_s=3600
        ),
        JobId("import of orders", "shop", "staging"): Expectation(every_s=600, grace_s=300),
        JobId("report", "billing", "production"): Expectation(schedule="@weekly", timezone="UTC", grace_s=3600),
        JobId("watched", "billing", "production"): Expectation(max_age_s=86_400),
        JobId("logrotate", "billing", "production"): Expectation(
            schedule="@daily", timezone=berlin.timezone, grace_s=300, scope="host"
        ),
    }
    assert [job.hosts for job in found.jobs] == [(), (), (), (), ("a", "b")]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[jobs.a]\nmax_runtme = "1h"', 2, ["max_runtme", "did you mean max_runtime"]),
        ('[jobs.a]\n\n# x\nmax_runtime = "1x"', 4, ["'a'", "max_runtime", "1x", "30m"]),
        ("[jobs.a]\nfailures = 1.5", 2, ["failures", "1.5"]),
        ('[jobs.a]\nschedule = "5 2 * *"\nmax_age = "1d"', 2, ["5 2 * *", "4 fields"]),
        ('[jobs.a]\nschedule = "@daily"\ntimezone = "Europe/Berln"', 3, ["did you mean Europe/Berlin"]),
        ('[jobs.a]\nmax_runtime = "1h"\nmin_runtime = "2h"', 3, ["min_runtime", "max_runtime"]),
        ('[defaults]\nmax_age = "1h"\n[jobs.a]\nschedule = "@daily"', 2, ["max_age", "every 1d"]),
        ('[jobs."a.b"]\nevery = "often"', 2, ["'a.b'", "often"]),
        ('jobs.a.every = "often"', 1, ["often"]),
        ('[jobs]\na = { every = "often" }', 2, ["often"]),
        ('[[job]]\nname = "a"\nevery = "1h"\n[[job]]\nname = "b"\nevery = "often"', 6, ["'b'", "often"]),
        ('[[job]]\nevery = "1h"', 1, ["name"]),
        ('[[job]]\nname = 5\nevery = "1h"', 2, ["5"]),
        ('[job]\nname = "a"', 1, ["[[job]]"]),
        ('[jobs.a]\nevery = "1h"\n[[job]]\nname = "a"\nevery = "2h"', 3, ["'a'", "twice"]),
        ('[job.a]\nevery = "1h"', 1, ["[[job]]"]),
        ('project = "x"', 1, ["project", "[defaults]"]),
        ("[maintainance]\nfrom = 2026-01-01", 1, ["did you mean maintenance"]),
        ("[jobs.a]\nproject = 5", 2, ["project", "5"]),
        ("[jobs.a]\nhosts = [1]", 2, ["hosts", "[1]"]),
        ("jobs = 5", 1, ["jobs"]),
        ('[jobs]\nnightly = "5 2 * * *"', 2, ["nightly", "table"]),
        ("[[maintenance]]\nfrom = 2026-12-24", 1, ["until"]),
        ("[[maintenance]]\nfrom = 2026-12-24\nuntil = 2026-12-23", 1, ["ends before it begins"]),
        ('[[maintenance]]\nfrom = "Monday"\nuntil = 2026-12-23', 1, ["Monday"]),
        ('[[maintenance]]\nschedule = "0 2 * * 0"', 1, ["duration"]),
        ('[[maintenance]]\nschedule = "0 2 * *"\nduration = "2h"', 1, ["0 2 * *"]),
        ('[[maintenance]]\nfrom = 2026-12-24\nduration = "1y"', 1, ["duration", "1y"]),
        ('[[maintenance]]\nfrom = 2026-12-24\nuntil = 2026-12-26\njob = "a"', 4, ["'job'", "did you mean jobs"]),
    ],
)
def test_a_mistake_is_one_error_with_its_line(text: str, line: int, words: list[str]) -> None:
    """It names the key, the value and what belongs there."""
    (problem,) = problems(text)
    assert problem.startswith(f"line {line}: ")
    assert [word for word in words if word not in problem] == []


@pytest.mark.parametrize("text", ["[jobs.a\n", "a = ", '[jobs.a]\nx = "\n', "[a]\n[a]\n", "\0"])
def test_a_file_that_is_no_toml_says_nothing(text: str) -> None:
    """What it said before goes on; the error has line and column."""
    found = parse_jobs_file(text, NOW)
    assert (found.jobs, found.windows, found.is_readable, len(found.problems)) == ((), (), False, 1)
    assert "line" in found.problems[0]


def test_a_mistake_in_one_job_leaves_the_others() -> None:
    """And its own right limits."""
    found = parse_jobs_file('[jobs.a]\nevery = "often"\nmax_age = "1d"\n[jobs.b]\nevery = "1h"\n[jobs.c]\nx = 1', NOW)
    assert [(job.job.job, job.expectation) for job in found.jobs] == [
        ("a", Expectation(max_age_s=86_400)),
        ("b", Expectation(every_s=3600)),
        ("c", None),
    ]


def test_maintenance_windows_are_skips() -> None:
    """With times or dates of TOML in the file's zone, or as texts; for all jobs or some."""
    found = parse_jobs_file(
        """
[defaults]
timezone = "Europe/Berlin"
[[maintenance]]
from = 2026-12-24T18:00:00
until = 2026-12-26
why = "holidays"
[[maintenance]]
from = "2026-12-01T00:00:00+00:00"
duration = "2h"
jobs = ["night*", "import"]
stage = "production"
""",
        NOW,
    )
    assert found.problems == ()
    first, second = found.windows

    def utc(text: str) -> int:
        return int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * 10**9

    assert (first.jobs, first.skip) == (("*",), (utc("2026-12-24T17:00"), utc("2026-12-25T23:00"), "holidays"))
    assert (second.jobs, second.stage, second.project) == (("night*", "import"), "production", None)
    assert second.skip[:2] == (utc("2026-12-01T00:00"), utc("2026-12-01T02:00"))


def test_a_window_may_repeat() -> None:
    """It is there for each time that its schedule is due, over a change of clocks too."""
    text = '[[maintenance]]\nschedule = "0 2 * * SUN"\nduration = "2h"\ntimezone = "Europe/Berlin"'
    found = parse_jobs_file(text, datetime(2026, 10, 20, tzinfo=UTC))
    begins = [datetime.fromtimestamp(window.skip.from_ns / 1e9, UTC) for window in found.windows]
    assert [f"{begin:%d.%m. %H:%M}" for begin in begins[:3]] == ["18.10. 00:00", "25.10. 00:00", "01.11. 01:00"]
    assert {window.skip.until_ns - window.skip.from_ns for window in found.windows} == {7200 * 10**9}
    assert len(found.windows) == 6


def test_lines_are_found_whatever_the_form() -> None:
    """Quoted and dotted keys, comments, inline tables, lists of tables and texts of several lines."""
    lines = Lines('a.b = 1\n["x y".z] # c\n"k # k" = 2\nt = """\nu = 3\n"""\n[[l]]\nm = 1\n[[l]]\n  m = 2\n')
    paths = [("a", "b"), ("x y", "z"), ("x y", "z", "k # k"), ("l", 0, "m"), ("l", 1), ("l", 1, "m"), ("l", 1, "n")]
    assert [lines.of(path) for path in paths] == [1, 2, 3, 8, 9, 10, 9]
    assert lines.of(("nowhere",)) == 1


NOTIFY = """
[[notify]]
url = "mailto:ops@example.com"

[[notify]]
url = "@/etc/hook"   # with a secret
secret_file = "/etc/key"
jobs = ["import*", "nightly"]
project = "billing"
stage = ""
"""


def test_a_file_says_who_is_told_of_what() -> None:
    """An empty stage is that of jobs without one; a table without any of them is for all jobs."""
    found = parse_jobs_file(NOTIFY, NOW, project="other", stage="production")
    assert found.problems == ()
    assert found.recipients == (
        Recipient("mailto:ops@example.com", 2),
        Recipient("@/etc/hook", 5, ("import*", "nightly"), "billing", "", "/etc/key"),
    )


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("", "line 2: 'notify': it needs a target"),
        ('url = " "', "line 2: 'notify': it needs a target"),
        ("url = 7", "line 3: 'url': it takes a text, got '7'"),
        ('url = "x:"\njobs = [1]', "line 4: 'jobs': it takes a list of names"),
        ('url = "x:"\nsecret_file = true', "line 4: 'secret_file': it takes a text, got 'True'"),
        ('url = "x:"\nproject = []', "line 4: 'project': it takes a text, got '[]'"),
        ('url = "x:"\nstages = "a"', "line 4: 'stages': there is no such key; did you mean stage?"),
    ],
)
def test_a_wrong_target_costs_only_itself(lines: str, problem: str) -> None:
    """It is named with its line, and the jobs and the other targets stay."""
    text = f'\n[[notify]]\n{lines}\n[[notify]]\nurl = "mailto:a@b"\n[jobs.a]\nmax_age = "1d"\n'
    found = parse_jobs_file(text, NOW)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(problem)
    assert [each.url for each in found.recipients if each.url != "x:"] == ["mailto:a@b"]
    assert len(found.jobs) == 1


def test_a_list_of_targets_has_double_brackets() -> None:
    """A single table is a mistake that is easily made."""
    assert "it takes tables in double brackets: [[notify]]" in problems('[notify]\nurl = "mailto:a@b"')[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('\n[notify.ops]\nurl = "x:"\n', "line 2: 'notify': it takes tables in double brackets: [[notify]]"),
        ('\n\n[job.f]\nevery = "1h"\n', "line 3: 'job': it takes tables in double brackets: [[job]], or [jobs.NAME]"),
        (
            '[jobs.f]\nevery = "1h"\nhosts = "a"\nscope = "any"\n',
            "line 3: job 'f', 'hosts': hosts have due times of their own, and with the scope 'any' no host has",
        ),
        (
            '[defaults]\nhosts = "a"\nscope = "any"\n[jobs.f]\nevery = "1h"\n',
            "line 4: job 'f', 'scope': hosts have due times of their own, and with the scope 'any' no host has",
        ),
    ],
)
def test_a_mistake_has_the_line_that_it_is_on(text: str, problem: str) -> None:
    """Also one of a table whose own header is not in the file, and one of two keys that contradict each other."""
    assert problems(text) == [problem]
