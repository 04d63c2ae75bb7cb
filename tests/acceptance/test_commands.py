import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import join

import pytest

from tests.acceptance.conftest import Secrets
from tests.acceptance.recorded import Runs
from tests.support.exec_ import COMMAND, points
from tests.support.processes import Process, Processes, until

pytestmark = pytest.mark.acceptance

# What a crontab's line runs, what becomes of it, and what its rows say of that.
LINES: Mapping[str, tuple[str, int, str, str | None]] = {
    "good": ("sh -c 'echo $0 did it'", 0, "end", None),
    "bad": ("sh -c 'echo $0 did not >&2; exit 3'", 3, "exit", "exit 3"),
    "killed": ("sh -c 'kill -TERM $$'", -signal.SIGTERM, "signal", "SIGTERM"),
    "missing": ("no-such-command --at-all", 127, "exit", "exit 127"),
}


@pytest.fixture
def env_file(runs: Runs, secrets: Secrets, tmp_path: Path, state_dir: Path) -> Path:
    """A file with all settings, and a token that may write to the bucket and do nothing else."""
    token = runs.influx.write_only_token(runs.bucket)
    secrets.tokens.append(token)
    variables = runs.variables | {
        "INFLUXDB_TOKEN": token,
        "OTEL_JOB_MEASURE_STATE_DIR": str(state_dir),
        "CLUSTER_DATACENTER": "eu-1",
        "PROJECT_NAME": "a crontab",
        "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "60",  # as for other processes here: cron gives them no environment
    }
    return secrets.write(tmp_path / "job.env", "".join(f"{name}={value!r}\n" for name, value in variables.items()))


def cron(processes: Processes, env_file: Path, job: str) -> Process:
    """Starts a line of a crontab as cron does, by a shell, with no environment at all."""
    line, *_ = LINES[job]
    return processes.bare(
        "/bin/sh", "-c", f"exec {join([*COMMAND, 'exec', '--env-file', str(env_file), job])} -- {line}"
    )


def test_the_commands_of_a_crontab_are_in_influxdb(processes: Processes, runs: Runs, env_file: Path) -> None:
    """Commands that cron starts, several at once, keep exit code and output, and each has its rows when it is gone."""
    jobs = [*LINES, *LINES, "good"]
    started = [(job, cron(processes, env_file, job)) for job in jobs]
    said = {job: (process.finish(), process.stderr) for job, process in started}
    assert [process.popen.returncode for _, process in started] == [LINES[job][1] for job in jobs]
    assert said["good"] == ("sh did it\n", "")
    assert said["bad"] == ("", "sh did not\n")
    assert said["killed"] == ("", "")
    assert said["missing"][1].endswith("no-such-command: No such file or directory\n")
    found = runs.all().values()
    assert sorted(run.job for run in found) == sorted(jobs)
    for run in found:
        start, end, row = run.rows
        _, _, outcome, error_type = LINES[run.job]
        assert (run.outcome, row.fields.get("error_type")) == (outcome, error_type)
        assert start.tags == end.tags == {"job": run.job, "datacenter": "eu-1", "project": "a crontab"}
        assert row.fields["host"] == os.uname().nodename
        assert start.time_ns < end.time_ns == row.time_ns
        assert round(float(str(row.fields["duration"])) * 1e9) <= end.time_ns - start.time_ns


def test_a_command_whose_rows_cannot_be_sent_leaves_them_to_the_next(
    processes: Processes, runs: Runs, env_file: Path
) -> None:
    """While InfluxDB is down a command runs and exits as ever; the next one sends its rows too."""
    with runs.influx.stopped():
        early = cron(processes, env_file, "bad")
        assert early.end() == 3
        assert "no answer from" in early.stderr
    assert cron(processes, env_file, "good").end() == 0
    assert sorted(runs.outcomes().values()) == ["end", "exit"]


def test_the_end_of_a_command_is_noted_when_it_ends(
    processes: Processes, runs: Runs, state_dir: Path, tmp_path: Path
) -> None:
    """A run ends with its command, not with the loading of what delivers, which goes on for as long as it takes."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "influxdb_client.py").write_text(f"open({str(gate)!r}).read()\nraise ImportError('too late')\n")
    first = f"import sys; sys.path.insert(0, {str(slow)!r}); from otel_job_measure.cli import main; sys.exit(main())"
    words = ["exec", "job", "--", "sh", "-c", "exit 3"]
    command = processes.start(sys.executable, "-c", first, *words, **runs.variables)
    with gate.open("w"):  # now it is being loaded
        until(lambda: len(points(state_dir)) == 3, "the end is on disk")
    assert command.end() == 3
    assert processes.ship(**runs.variables)[0] == 0
    assert list(runs.outcomes().values()) == ["exit"]
