"""What `otel-job-measure expected` says after the code, the crontab or the file of a job has changed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.expectations.expectation import Expectation, JobId
from otel_job_measure.expectations.precedence import effective
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from tests.runtime.support import ROOT
from tests.support.exec_ import COMMAND
from tests.support.uncovered import uncovered

pytestmark = pytest.mark.acceptance

DAY_NS = 86_400 * 10**9
_APP = "from otel_job_measure import JobMeasure\nmeasure = JobMeasure()\n"


class Machine:
    """A machine with one state directory and one program, which can be deployed anew."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self._app = folder / "app.py"

    def deploy(self, *jobs: str, stage: str = "production") -> None:
        """Writes the program and runs it to its end, without running a job."""
        lines = [f"@measure.job({job})\ndef job_{number}(): pass\n" for number, job in enumerate(jobs)]
        self._app.write_text(_APP + "".join(lines))
        self._run([sys.executable, str(self._app)], stage)

    def expected(self, **environment: str) -> list[str]:
        """Returns the lines of `expected`."""
        return self._run([*COMMAND, "expected"], "production", **environment).splitlines()

    def objects(self, **environment: str) -> dict[str, dict[str, Any]]:
        """Returns what `expected --json` says, by job and stage."""
        lines = self._run([*COMMAND, "expected", "--json"], "production", **environment).splitlines()
        found: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return {f"{each['job']}/{each.get('stage', '')}": each for each in found}

    def exec(self, *words: str) -> None:
        """Runs a line of a crontab."""
        self._run([*COMMAND, "exec", *words], "production")

    def wait(self, days: float) -> None:
        """Lets time pass: all times of the store move into the past."""
        for path in (self.state / "expected").glob("*.json"):
            path.write_text(_moved(path.read_text(), int(days * DAY_NS)))
            os.utime(path, ns=(0, 0))

    def _run(self, command: list[str], stage: str, **environment: str) -> str:
        env = {
            **uncovered(),
            "OTEL_JOB_MEASURE_STATE_DIR": str(self.state),
            "PROJECT_NAME": "billing",
            "PROJECT_STAGE": stage,
            **environment,
        }
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout


def _moved(text: str, by_ns: int) -> str:
    """Returns JSON with all times in ns moved."""
    return re.sub(r"\b1[0-9]{18}\b", lambda found: str(int(found[0]) - by_ns), text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Returns a machine on which nothing ever ran."""
    return Machine(tmp_path)


NIGHTLY = "'nightly', schedule='5 2 * * *', timezone='Europe/Riga'"
HOURLY = "'hourly', schedule='@hourly', timezone='UTC'"


def test_a_code_change_that_removes_a_job(machine: Machine) -> None:
    """It is retired a day later, by a newer process that declares the others."""
    machine.deploy(NIGHTLY, HOURLY)
    machine.wait(0.5)
    machine.deploy(NIGHTLY)
    assert [line for line in machine.expected() if line[0] != " "] == [
        "hourly (billing, production)",
        "nightly (billing, production)",
    ]
    machine.wait(1.1)
    machine.deploy(NIGHTLY)
    lines = machine.expected()
    assert [line for line in lines if line[0] != " "] == [
        "nightly (billing, production)",
        "hourly (billing, production), retired",
    ]
    assert "no longer declared in __main__" in lines[-1]


def test_a_changed_schedule(machine: Machine) -> None:
    """What was due before the change stays due by the old one."""
    machine.deploy(NIGHTLY)
    machine.wait(1)
    machine.deploy("'nightly', schedule='0 4 * * *', timezone='Europe/Riga'")
    found = machine.objects()["nightly/production"]
    assert [version["schedule"] for version in found["versions"]] == ["5 2 * * *", "0 4 * * *"]
    assert found["versions"][1]["since"] - found["first_seen"] >= DAY_NS
    lines = machine.expected()
    assert "  expected: At 04:00 every day (Europe/Riga)" in lines
    assert any(", changed 20" in line for line in lines)


def test_a_renamed_job(machine: Machine) -> None:
    """A new one at once, and a retired one a day later."""
    machine.deploy(NIGHTLY)
    machine.wait(0.1)
    machine.deploy(NIGHTLY.replace("nightly", "every_night"))
    assert machine.objects().keys() == {"nightly/production", "every_night/production"}
    machine.wait(1)
    machine.deploy(NIGHTLY.replace("nightly", "every_night"))
    found = machine.objects()
    assert ["retired" in found[job] for job in ("nightly/production", "every_night/production")] == [True, False]
    assert found["every_night/production"]["first_seen"] > found["nightly/production"]["first_seen"]


def test_two_stages_of_one_project(machine: Machine) -> None:
    """Each has jobs of its own; what one removes, the other keeps."""
    machine.deploy(NIGHTLY, HOURLY)
    machine.deploy(NIGHTLY, HOURLY, stage="staging")
    assert len(machine.objects()) == 4
    machine.wait(1.1)
    machine.deploy(HOURLY, stage="staging")
    retired = [job for job, found in machine.objects().items() if "retired" in found]
    assert retired == ["nightly/staging"]


def test_one_job_on_two_hosts(machine: Machine, tmp_path: Path) -> None:
    """A job of code counts once, whichever host runs it."""
    other = Machine(tmp_path / "other")
    (tmp_path / "other").mkdir()
    machine.deploy(NIGHTLY)
    other.deploy(NIGHTLY)
    assert "nightly (billing, production)" in machine.expected()
    jobs = [job for each in (machine, other) for job in ExpectedStore(each.state).jobs()]
    assert [(job.job.job, job.host, job.expectation.scope) for job in effective(jobs)] == [("nightly", None, "any")]


def test_logrotate_on_500_hosts(machine: Machine, tmp_path: Path) -> None:
    """Each host has due times of its own, in one file or by a crontab of each host."""
    hosts = [f"web{number}" for number in range(500)]
    file = tmp_path / "jobs.toml"
    file.write_text(f'[jobs.logrotate]\nschedule = "@daily"\ntimezone = "UTC"\nhosts = {json.dumps(hosts)}\n')
    lines = machine.expected(OTEL_JOB_MEASURE_JOBS=str(file))
    titles = [line for line in lines if line[0] != " "]
    assert len(titles) == 500
    assert "logrotate (billing, production, on web499)" in titles
    # The crontab of each host says it too: still one job a host.
    machine.exec("--schedule", "@daily", "--timezone", "UTC", "--max-runtime", "1h", "logrotate", "--", "true")
    daily = Expectation(schedule="@daily", timezone="UTC", max_runtime_s=3600, scope="host")
    for host in hosts[:3]:
        statement = Statement(job=JobId("logrotate", "billing", "production"), expectation=daily, host=host)
        ExpectedStore(machine.state).note(Snapshot(source="exec", origin=f"on {host}", statements=[statement]))
    lines = machine.expected(OTEL_JOB_MEASURE_JOBS=str(file))
    titles = [line for line in lines if line[0] != " "]
    assert (len(titles), len(set(titles))) == (501, 501)
    assert " ".join(lines).count("takes at most 1h") == 4


def test_a_line_of_a_crontab_that_is_deleted_stays_until_it_is_forgotten(machine: Machine) -> None:
    """The command cannot tell a deleted line from a machine that is down."""
    machine.exec("--every", "1h", "backup", "--", "true")
    machine.wait(400)
    assert "retired" not in machine.objects()["backup/production"]
    assert ExpectedStore(machine.state).forget("backup") == 1
    assert "forgotten" in machine.objects()["backup/production"]["retired_why"]
    machine.exec("--every", "1h", "backup", "--", "true")
    assert "retired" not in machine.objects()["backup/production"]
