"""What `otel-job-measure expected` says after the code, the crontab or the file of a job has changed.

It is asked on the machine itself, and of InfluxDB on another machine, which has only the rows that were sent.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from otel_job_measure import names
from tests.runtime.support import ROOT
from tests.support.exec_ import COMMAND
from tests.support.generations import Opened
from tests.support.influx import InfluxServer
from tests.support.influxd import VERSION, VERSIONS_1
from tests.support.uncovered import uncovered

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]  # on a busy machine

DAY_NS = 86_400 * 10**9
HISTORY = "history"
_APP = "from otel_job_measure import JobMeasure\nmeasure = JobMeasure()\n"
_AS_HOST = """
import os, runpy, sys
it, host, sys.argv = os.uname(), sys.argv[1], sys.argv[2:]
os.uname = lambda: os.uname_result((it.sysname, host, it.release, it.version, it.machine))
"""
_APP_AS_HOST = f"{_AS_HOST}\nrunpy.run_path(sys.argv[0], run_name='__main__')"
_COMMAND_AS_HOST = f"{_AS_HOST}\nrunpy.run_module('otel_job_measure', run_name='__main__')"


class Machine:
    """A machine with one state directory and one program, which can be deployed anew.

    Args:
        folder: Of the program and the state directory.
        server: Where its rows are sent, and what is asked; None to ask the machine itself.
        bucket: The bucket there.
        host: Its name.
    """

    def __init__(self, folder: Path, server: InfluxServer | None, bucket: str, host: str = "web1") -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._server, self._bucket, self._host = folder, server, bucket, host
        self._state = folder / "state"
        self._app = folder / "app.py"

    def other(self, host: str) -> "Machine":
        """Returns another machine, which sends its rows to the same server if there is one."""
        return Machine(self._folder / host, self._server, self._bucket, host)

    def deploy(self, *jobs: str, stage: str = "production") -> None:
        """Writes the program and runs it to its end, without running a job."""
        lines = [f"@measure.job({job})\ndef job_{number}(): pass\n" for number, job in enumerate(jobs)]
        self._app.write_text(_APP + "".join(lines))
        self._run([sys.executable, "-c", _APP_AS_HOST, self._host, str(self._app)], PROJECT_STAGE=stage)

    def expected(self, *words: str, **environment: str) -> list[str]:
        """Returns the lines of `expected`."""
        if self._server is None:
            return self.command("expected", *words, **environment)
        elsewhere = str(self._folder / "elsewhere")
        asked = self.command("expected", "--from", "influxdb", *words, OTEL_JOB_MEASURE_STATE_DIR=elsewhere)
        assert not Path(elsewhere).exists()
        return asked

    def titled(self, **environment: str) -> dict[str, str]:
        """Returns the other lines of each job by its first one, which no other job has."""
        found = re.split(r"\n(?! )", "\n".join(self.expected(**environment)))
        titled = {job.partition("\n")[0]: job.partition("\n")[2] for job in found}
        assert len(titled) == len(found)
        return titled

    def objects(self) -> dict[str, dict[str, Any]]:
        """Returns what `expected --json` says, by job and stage."""
        found: list[dict[str, Any]] = [json.loads(line) for line in self.expected("--json")]
        return {f"{each['job']}/{each.get('stage', '')}": each for each in found}

    def exec(self, *words: str) -> None:
        """Runs a line of a crontab."""
        self.command("exec", *words)

    def ship(self, **environment: str) -> None:
        """Sends what the server does not know yet; without a server there is nothing to do."""
        if self._server is not None:
            self.command("ship", "--once", **environment)

    def command(self, *words: str, **environment: str) -> list[str]:
        """Returns the lines of a command."""
        command = [sys.executable, "-c", _COMMAND_AS_HOST, self._host, COMMAND[0], *words]
        return self._run(command, **environment).splitlines()

    def wait(self, days: float) -> None:
        """Lets time pass: all times of the store, and of the server's rows, move into the past."""
        by_ns = int(days * DAY_NS)
        for path in (self._state / "expected").glob("*.json"):
            path.write_text(_moved(path.read_text(), by_ns))
            os.utime(path, ns=(0, 0))
        if self._server is not None:
            self._server.move(names.EXPECTED, lambda line: _moved(line, by_ns), self._bucket)

    def _run(self, command: list[str], **environment: str) -> str:
        env = {
            **uncovered(),
            "OTEL_JOB_MEASURE_STATE_DIR": str(self._state),
            "PROJECT_NAME": "billing",
            "PROJECT_STAGE": "production",
            **({} if self._server is None else self._server.variables(self._bucket)),
            **environment,
        }
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _moved(text: str, by_ns: int) -> str:
    """Returns a text with all times in ns moved."""
    return re.sub(r"\b1[0-9]{18}\b", lambda found: str(int(found[0]) - by_ns), text)


_SERVERS = [pytest.param(version, marks=pytest.mark.influxdb) for version in (VERSION, VERSIONS_1[-1])]


@pytest.fixture(params=[HISTORY, *_SERVERS])
def machine(request: pytest.FixtureRequest, generations: Opened, tmp_path: Path) -> Machine:
    """Returns a machine on which nothing ever ran."""
    store = str(request.param)
    server = None if store == HISTORY else cast("InfluxServer", generations.get(store))
    return Machine(tmp_path / "web1", server, "" if server is None else server.new_bucket())


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


def test_one_job_on_two_hosts(machine: Machine) -> None:
    """A job of code counts once, whichever host runs it; one of a crontab has due times on each."""
    machines = machine, machine.other("web2")
    for each in machines:
        each.deploy(NIGHTLY)
        each.exec("--schedule", "@daily", "--timezone", "UTC", "backup", "--", "true")
    assert {title for each in machines for title in each.titled()} == {
        "backup (billing, production, on web1)",
        "backup (billing, production, on web2)",
        "nightly (billing, production)",
    }


def test_logrotate_on_500_hosts(machine: Machine, tmp_path: Path) -> None:
    """Each host has due times of its own, in one file or by a crontab of each host."""
    hosts = [f"web{number}" for number in range(500)]
    file = tmp_path / "jobs.toml"
    file.write_text(f'[jobs.logrotate]\nschedule = "@daily"\ntimezone = "UTC"\nhosts = {json.dumps(hosts)}\n')
    jobs = {"OTEL_JOB_MEASURE_JOBS": str(file)}
    machine.ship(**jobs)
    assert machine.titled(**jobs).keys() == {_logrotate(host) for host in hosts}
    # The crontabs of some hosts say it too: still one job a host.
    machines = {host: machine.other(host) for host in ("web2", "web3", "web500")}
    for each in machines.values():
        command = "--schedule", "@daily", "--timezone", "UTC", "--max-runtime", "1h", "logrotate", "--", "true"
        each.exec(*command)
    found = [(title, text) for each in machines.values() for title, text in each.titled(**jobs).items()]
    assert {title for title, _ in found} == {_logrotate(host) for host in (*hosts, "web500")}
    assert {title for title, text in found if "takes at most 1h" in text} == set(map(_logrotate, machines))


def _logrotate(host: str) -> str:
    return f"logrotate (billing, production, on {host})"


def test_a_line_of_a_crontab_that_is_deleted_stays_until_it_is_forgotten(machine: Machine) -> None:
    """The command cannot tell a deleted line from a machine that is down."""
    machine.exec("--every", "1h", "backup", "--", "true")
    machine.wait(400)
    assert "retired" not in machine.objects()["backup/production"]
    machine.command("forget", "backup")
    machine.ship()
    assert "forgotten" in machine.objects()["backup/production"]["retired_why"]
    machine.exec("--every", "1h", "backup", "--", "true")
    assert "retired" not in machine.objects()["backup/production"]
