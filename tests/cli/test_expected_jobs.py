"""`otel-job-measure expected`, `skip` and `forget`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from otel_job_measure.cli import WrongUsage, main
from otel_job_measure.expectations.encoding import encode
from otel_job_measure.expectations.expectation import DueList, Expectation, ExpectedJob, JobId, Version
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.points.monitor import Expected
from otel_job_measure.points.monitor_rows import line_of
from tests.support.influx import InfluxServer

DAILY = Expectation(schedule="5 2 * * *", timezone="Europe/Riga", grace_s=1800, max_runtime_s=3600, failures=3)


def note(state_dir: Path, *statements: Statement, origin: str = "/srv/app.py") -> None:
    """Notes what code says."""
    ExpectedStore(state_dir).note(Snapshot(source="code", origin=origin, statements=statements))


def nightly(expectation: Expectation = DAILY, project: str = "billing") -> Statement:
    """Returns the statement of a job."""
    return Statement(job=JobId("nightly", project, "production"), expectation=expectation)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Returns the lines that a command prints."""
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()


def test_each_job_is_told_in_words(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its source, its next due times in its zone and in UTC, and when it was first seen, at 80 columns."""
    note(state_dir, nightly())
    title, *lines = told(capsys, "expected")
    assert title == "nightly (billing, production)"
    text = " ".join(line.strip() for line in lines)
    assert "expected: At 02:05 every day (Europe/Riga), in time up to 30m late, takes at most 1h" in text
    assert "is failing after 3 failures in a row" in text
    assert "said by: code /srv/app.py" in text
    assert "first seen: 20" in text
    dues = [line.split("due: ")[1] for line in lines if "due: " in line]
    assert len(dues) == 3
    assert all(" 02:05:00 +0" in due and due.endswith(":05:00 UTC") for due in dues)
    assert max(map(len, [title, *lines])) <= 80


def test_programs_get_a_line_of_json_for_each_job(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the words and the due times in UTC."""
    note(state_dir, nightly())
    (line,) = told(capsys, "expected", "--json", "--count", "2")
    found = json.loads(line)
    assert (found["job"], found["project"], found["stage"], found["source"]) == (
        "nightly",
        "billing",
        "production",
        "code",
    )
    assert [len(found["due"]), "At 02:05" in found["words"]] == [2, True]


def test_a_retired_job_says_when_and_why(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It comes last, without due times."""
    other = Statement(job=JobId("weekly"), expectation=Expectation(max_age_s=60))
    note(state_dir, nightly(), other)
    note(state_dir, other)
    lines = told(capsys, "expected")
    assert lines.index("nightly (billing, production), retired") > lines.index("weekly")
    assert "UTC, no longer in /srv/app.py" in lines[-1]
    assert not any("due: " in line for line in lines)


def test_the_lists_of_a_scheduler_are_told_as_far_as_they_go(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And an interval's next due time."""
    begin = int(datetime.now(UTC).timestamp()) * 10**9
    due_list = DueList(begin, begin + 8 * 86_400 * 10**9, (begin + 3600 * 10**9,))
    timed = Statement(job=JobId("beat"), expectation=Expectation(by_scheduler=True), due_list=due_list)
    note(state_dir, timed, Statement(job=JobId("often"), expectation=Expectation(every_s=600)))
    lines = told(capsys, "expected")
    assert "  expected: when its scheduler says" in lines
    assert "  expected: every 10m" in lines
    assert sum("due: " in line for line in lines) == 2


def test_some_jobs_alone(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By name or pattern; one that is not there is said to be unknown."""
    note(state_dir, nightly(), Statement(job=JobId("weekly"), expectation=DAILY))
    assert told(capsys, "expected", "--job", "week*")[0] == "weekly"
    assert told(capsys, "expected", "--job", "yearly")[0].startswith("Nothing is expected of such a job")


def test_what_counts_is_told_once_and_all_sources_if_asked(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The code's schedule, and the file's limit that the code does not state."""
    note(state_dir, nightly(Expectation(schedule="@daily", timezone="UTC")))
    statement = nightly(Expectation(schedule="@hourly", timezone="UTC", max_age_s=86_400))
    ExpectedStore(state_dir).note(Snapshot(source="file", origin="/etc/jobs.toml", statements=[statement]))
    lines = told(capsys, "expected")
    assert sum(line.startswith("nightly") for line in lines) == 1
    assert "succeeds at least every 1d" in " ".join(lines)
    assert sum(line.startswith("nightly") for line in told(capsys, "expected", "--all")) == 2


def test_hostile_names_do_nothing_to_a_terminal(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are shown with escapes."""
    note(state_dir, Statement(job=JobId("a\x1b[2Jb", "p\u202e"), expectation=DAILY), origin="/srv/\x1b]0;x\x07")
    out = "\n".join(told(capsys, "expected"))
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_the_file_of_the_settings_is_read(
    state_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake is told with its line, and the exit code is 1; a job that is taken out of it is retired."""
    file = tmp_path / "jobs.toml"
    monkeypatch.setenv("OTEL_JOB_MEASURE_JOBS", str(file))
    file.write_text('[jobs.a]\nevery = "1h"\n[jobs.b]\nevery = "1h"\n')
    assert [line for line in told(capfd, "expected") if line[0] != " "] == ["a", "b"]
    file.write_text('[jobs.a]\nevery = "1h"\nmax_runtme = "1h"\n')
    assert main(["expected"]) == 1
    captured = capfd.readouterr()
    assert captured.err.startswith(f"otel-job-measure: {file}: line 3: ")
    assert captured.err.count("\n") == 1
    assert "b, retired" in captured.out.splitlines()
    file.write_text("[jobs.a")
    assert main(["expected"]) == 1
    assert "a" in capfd.readouterr().out.splitlines()
    file.unlink()
    assert main(["expected"]) == 1
    assert "cannot be read" in capfd.readouterr().err


def test_jobs_of_some_hosts_in_a_file(
    state_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong limit later retires none of them."""
    file = tmp_path / "jobs.toml"
    monkeypatch.setenv("OTEL_JOB_MEASURE_JOBS", str(file))
    file.write_text('[jobs.a]\nevery = "1h"\nhosts = ["x", "y"]\n')
    assert [line for line in told(capfd, "expected") if line[0] != " "] == ["a (on x)", "a (on y)"]
    file.write_text('[jobs.a]\nevery = "often"\nhosts = ["x", "y"]\n')
    assert main(["expected"]) == 1
    assert [line for line in capfd.readouterr().out.splitlines() if line[0] != " "] == ["a (on x)", "a (on y)"]


def test_nothing_is_expected_at_first(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is made."""
    assert told(capsys, "expected") == [f"Nothing is expected: no source in {state_dir}."]
    assert not (state_dir / "expected").exists()


def test_a_job_can_be_skipped_for_a_time(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its due times say so, until the skip is over or cancelled."""
    note(state_dir, nightly())
    assert "nightly need not run until" in told(capsys, "skip", "nightly", "--until", "36h", "--why", "move")[0]
    assert sum(line.endswith("skipped: move") for line in told(capsys, "expected")) in {1, 2}
    assert told(capsys, "skip", "nightly", "--cancel") == ["1 skips of nightly ended"]
    assert sum("skipped" in line for line in told(capsys, "expected")) == 0
    assert main(["skip", "nightly", "--cancel"]) == 1


def test_a_skip_may_begin_later_and_be_about_one_project(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other projects have jobs of the same name."""
    note(state_dir, nightly(), nightly(project="shop"))
    begin = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    told(capsys, "skip", "night*", "--from", begin, "--until", "310d", "--project", "shop")
    found = {job.job.project: job.skips for job in ExpectedStore(state_dir).jobs()}
    assert [len(found["billing"]), len(found["shop"])] == [0, 1]


@pytest.mark.parametrize(
    "words",
    [
        ["skip", "nightly"],
        ["skip", "nightly", "--until", "tomorrow"],
        ["skip", "nightly", "--until", "2020-01-01"],
        ["skip", "nightly", "--until", "9999d"],
        ["skip", "nightly", "--until", "2h", "--from", "3h"],
        ["skip", "", "--until", "2h"],
        ["forget", " "],
        ["expected", "--timezone", "UTC"],
        ["expected", "--count", "0"],
    ],
)
def test_wrong_words_are_wrong_usage(words: list[str], state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is kept."""
    with pytest.raises(WrongUsage):
        main(words)
    assert not (state_dir / "expected").exists()


def test_a_skip_of_an_unknown_job_says_so(state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It counts as soon as something is expected of the job."""
    assert main(["skip", "nightly", "--until", "400h"]) == 0
    assert "nothing is expected of nightly yet" in capfd.readouterr().err
    note(state_dir, nightly())
    assert len(ExpectedStore(state_dir).jobs()[0].skips) == 1


def test_a_job_can_be_forgotten(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is retired, and gone if it is forgotten again; a source that says it again makes it known again."""
    note(state_dir, nightly())
    assert told(capsys, "forget", "nightly") == ["forgotten: nightly (1)"]
    assert "retired: " in told(capsys, "expected")[-1]
    assert told(capsys, "forget", "nightly") == ["forgotten: nightly (1)"]
    assert main(["forget", "nightly"]) == 1
    note(state_dir, nightly())
    assert ExpectedStore(state_dir).jobs()[0].retired_ns is None


def test_influxdb_tells_what_all_machines_expect(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, real_influx: InfluxServer, real_bucket: str
) -> None:
    """`--from influxdb` needs no state directory; a server that is away is one clear error."""
    version = Version(since_ns=1_700_000_000_000_000_000, expectation=DAILY)
    job = ExpectedJob(
        job=JobId("nightly", "billing", "production"),
        source="code",
        origin="/srv/app.py",
        first_seen_ns=version.since_ns,
        versions=(version,),
    )
    row = Expected(job=job.job, at_ns=version.since_ns, source="code", version=1, text=encode(job))
    real_influx.write(line_of(row), real_bucket)
    for name, value in real_influx.variables(real_bucket).items():
        monkeypatch.setenv(name, value)
    assert told(capsys, "expected", "--from", "influxdb")[0] == "nightly (billing, production)"
    (line,) = told(capsys, "expected", "--from", "influxdb", "--json", "--job", "n*")
    assert json.loads(line)["origin"] == "/srv/app.py"
    assert real_bucket in told(capsys, "expected", "--from", "influxdb", "--job", "other")[0]
    monkeypatch.setenv("INFLUXDB_URL", "http://127.0.0.1:9")
    assert main(["expected", "--from", "influxdb"]) == 1
    assert "http://127.0.0.1:9" in capsys.readouterr().err
