"""The crontabs of a machine say what should happen on it."""

import os
import pwd
from pathlib import Path

import pytest

from otel_job_measure.expectations.expectation import Expectation, ExpectedJob, JobId
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.runtime.crontabs import Crontabs
from otel_job_measure.settings import Settings

USER = pwd.getpwuid(os.geteuid()).pw_name
HOST = os.uname().nodename
BACKUP = "5 2 * * * {user}otel-job-measure exec backup -- true\n"


class Machine:
    """A machine with crontabs of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.own = folder / "own"
        self.system = folder / "crontab"
        self.folder = folder / "cron.d"
        self.folder.mkdir()
        self.settings = Settings(state_dir=folder / "state", project="ops")
        program = folder / "bin" / "crontab"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\ncat "{self.own}" 2>/dev/null || {{ echo "no crontab for x" >&2; exit 1; }}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def look(self) -> tuple[str, ...]:
        """Reads the crontabs as a command does."""
        return Crontabs(self.settings, system=self.system, folder=self.folder).look()

    def jobs(self) -> list[ExpectedJob]:
        """Returns what is expected."""
        return ExpectedStore(self.settings.state_path).jobs()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Returns a machine without crontabs."""
    return Machine(tmp_path, monkeypatch)


def test_measured_lines_are_expected_on_this_host(machine: Machine) -> None:
    """Those of the user's own crontab, of the system's and of the folder, before they have ever run."""
    machine.own.write_text(BACKUP.format(user=""))
    machine.system.write_text(
        f"@daily {USER} otel-job-measure exec a -- true\n@daily other otel-job-measure exec x -- true\n"
    )
    (machine.folder / "b").write_text(f"PROJECT_NAME=shop\n@hourly {USER} otel-job-measure exec b -- true\n")
    (machine.folder / "c.disabled").write_text(f"@hourly {USER} otel-job-measure exec c -- true\n")
    assert machine.look() == ()
    assert [(job.job, job.host, job.source) for job in machine.jobs()] == [
        (JobId("a", "ops"), HOST, "crontab"),
        (JobId("b", "shop"), HOST, "crontab"),
        (JobId("backup", "ops"), HOST, "crontab"),
    ]
    assert machine.jobs()[2].expectation.schedule == "5 2 * * *"


def test_a_deleted_line_or_file_is_no_longer_expected(machine: Machine) -> None:
    """Nor what `exec` itself has said of the job."""
    machine.own.write_text(BACKUP.format(user="") + "@daily otel-job-measure exec other -- true\n")
    (machine.folder / "b").write_text(f"@hourly {USER} otel-job-measure exec b -- true\n")
    said = Statement(job=JobId("backup", "ops"), expectation=Expectation(max_runtime_s=9, scope="host"), host=HOST)
    store = ExpectedStore(machine.settings.state_path)
    store.note(Snapshot(source="exec", origin="backup (ops)", statements=[said]))
    machine.look()
    assert all(job.retired_ns is None for job in machine.jobs())
    machine.own.write_text("@daily otel-job-measure exec other -- true\n")
    (machine.folder / "b").unlink()
    machine.look()
    retired = {(job.job.job, job.source): job.retired_why for job in machine.jobs() if job.retired_ns is not None}
    assert retired == {
        ("b", "crontab"): f"no longer in {machine.folder / 'b'}",
        ("backup", "crontab"): f"no longer in the crontab of {USER}",
        ("backup", "exec"): f"no longer in the crontab of {USER}",
    }


def test_without_a_crontab_program_nothing_is_retired(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read says nothing."""
    machine.own.write_text(BACKUP.format(user=""))
    machine.look()
    monkeypatch.setenv("PATH", str(machine.folder))
    machine.look()
    assert [job.retired_ns for job in machine.jobs()] == [None]


def test_an_empty_machine_leaves_nothing(machine: Machine) -> None:
    """No folder is made."""
    assert machine.look() == ()
    assert not machine.settings.state_path.exists()


def test_mistakes_are_told_with_their_line(machine: Machine) -> None:
    """A wrong limit, a job twice, an env file that is missing."""
    machine.own.write_text(
        "@daily otel-job-measure exec --max-runtime x a -- true\n"
        "@daily otel-job-measure exec b -- true\n"
        "@hourly otel-job-measure exec b -- true\n"
        "@daily otel-job-measure exec --env-file /no/such c -- true\n"
    )
    problems = machine.look()
    assert [problem.split(": ")[1] for problem in problems] == ["line 1", "line 3", "line 4"]
    assert [job.job.job for job in machine.jobs()] == ["a", "b"]
    assert machine.jobs()[1].expectation.schedule == "@daily"


def test_a_line_that_cron_refuses_is_told_and_retires_nothing(machine: Machine) -> None:
    """What was said of its job goes on until the line is mended, if its name can be read."""
    machine.own.write_text("@daily otel-job-measure exec a -- true\n@daily otel-job-measure exec b -- true\n")
    assert machine.look() == ()
    machine.own.write_text("@daily otel-job-measure exec a\n* * * * otel-job-measure exec b -- true\n")
    first, second = machine.look()
    assert first == f"the crontab of {USER}: line 1: there is no command after the job's name"
    assert f"the crontab of {USER}: line 2: '* * * *' stands before the command" in second
    assert [(job.job.job, job.retired_ns is None) for job in machine.jobs()] == [("a", True), ("b", False)]


def test_an_env_file_of_a_line_says_its_project(machine: Machine, tmp_path: Path) -> None:
    """Runs and expectations are those of one job."""
    (tmp_path / "x.env").write_text("PROJECT_NAME=shop\nPROJECT_STAGE=test\n")
    machine.own.write_text(f"@daily otel-job-measure exec --env-file {tmp_path / 'x.env'} a -- true\n")
    machine.look()
    assert [job.job for job in machine.jobs()] == [JobId("a", "shop", "test")]
