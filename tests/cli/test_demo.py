"""`otel-job-measure demo`, as a new user sees it."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.cli import main
from tests.delivery.support import TinyServer
from tests.support.exec_ import COMMAND

OUTCOMES = {
    ("hash-files", "end", ""),
    ("parse-orders", "end", ""),
    ("parse-returns", "failed", "error"),
    ("fetch-rates", "end", ""),
    ("sync-inventory", "end", ""),
    ("count-orders", "end", ""),
    ("rebuild-index", "failed", "lost"),
    ("back-up-orders", "end", ""),
}
SAID = [
    "  parse-orders     orders.csv adds up to 155937.50",
    "  parse-returns    ValueError: could not convert string to float: 'twelve'",
    "  fetch-rates      3 rates, in a chain of async middlewares",
    "  sync-inventory   twice at the same time",
    "  count-orders     500 orders, run by APScheduler",
    "  rebuild-index    its process ended by SIGKILL, in the middle of the run",
    "  back-up-orders   `cp` by `otel-job-measure exec`, exit code 0",
]
_row = re.compile(r"(\S+) +\d\d-\d\d \d\d:\d\d:\d\d +.*? (ok|failed|running) +(\w+|-) +.*\b\w{12} *$")


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything."""
    tiny = TinyServer()
    yield tiny
    tiny.close()


DEMO = Path("home", ".local", "state", "otel-job-measure-demo")


def demo(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs it as a user with a home and a state directory for real jobs."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home")}
    environment |= {"OTEL_JOB_MEASURE_STATE_DIR": str(folder / "real"), "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "60s"}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")} | more
    command = [*COMMAND, "demo", "--env-file", os.devnull, *words]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=90)


def rows(output: str) -> list[tuple[str, str, str]]:
    """Returns job, status and reason of each row of the table, as InfluxDB has them."""
    found = [match for line in output.splitlines() if (match := _row.match(line))]
    return [(each[1], "end" if each[2] == "ok" else each[2], each[3].replace("-", "")) for each in found]


def test_each_job_is_shown_with_what_happened_to_it(tmp_path: Path) -> None:
    """Two that overlap, one that fails, one that is killed, one that is a command; and where they are kept."""
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert set(found) == OUTCOMES
    assert len(found) == len(OUTCOMES) + 1
    assert found.count(("sync-inventory", "end", "")) == 2
    shown = [line for line in done.stdout.splitlines() if " --state-dir " in line]
    assert [line.partition(" --state-dir ")[0].split()[-1] for line in shown] == ["jobs", "runs", "web"]
    listed = subprocess.run(
        shlex.split(shown[1]), capture_output=True, text=True, check=True
    )  # it works as it is shown
    assert len(rows(listed.stdout)) == len(OUTCOMES) + 1
    assert not (tmp_path / "real").exists()
    lines = [line for line in done.stdout.splitlines() if str(tmp_path) not in line]
    table = [line for line in lines if line.startswith("job ") or _row.match(line)]  # a terminal gets fewer columns
    assert max(len(line) for line in lines if line not in table) <= 80
    for line in SAID:
        assert line in lines


def test_a_second_time_shows_only_its_own_runs(tmp_path: Path) -> None:
    """It can be run as often as one likes; all of them are kept."""
    for _ in range(2):
        done = demo(tmp_path)
        assert done.returncode == 0
        assert len(rows(done.stdout)) == 9
    command = [*COMMAND, "runs", "--state-dir", str(tmp_path / DEMO), "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 18


def test_it_leaves_its_files_nowhere(tmp_path: Path) -> None:
    """Neither in the working directory nor where temporary files are."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    assert demo(tmp_path, TMPDIR=str(temporary)).returncode == 0
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "tmp"]


def influxdb(url: str) -> dict[str, str]:
    """Returns the variables of a server."""
    return {"INFLUXDB_URL": url, "INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": "acme", "INFLUXDB_BUCKET": "jobs"}


def test_a_server_gets_nothing_without_ship(tmp_path: Path, server: TinyServer) -> None:
    """The variables are those of real jobs, and made-up runs do not belong there."""
    done = demo(tmp_path, **influxdb(server.url))
    assert done.returncode == 0, done.stderr
    assert set(rows(done.stdout)) == OUTCOMES
    assert server.requests == []


def test_with_ship_it_sends(tmp_path: Path, server: TinyServer) -> None:
    """It prints where to, and how many points were accepted; the state directory is still the demo's."""
    done = demo(tmp_path, "--ship", **influxdb(server.url))
    assert done.returncode == 0, done.stderr
    assert set(rows(done.stdout)) == OUTCOMES
    assert f"{server.url} org=acme bucket=jobs\nhas accepted " in done.stdout
    lines = {line for request in server.requests for line in request.lines}
    assert sum(b'status="start"' in line for line in lines) == 9
    assert not (tmp_path / "real").exists()


def test_without_the_server_it_says_what_waits(tmp_path: Path) -> None:
    """The jobs have run, and the exit code tells that not all was shipped."""
    done = demo(
        tmp_path,
        "--ship",
        **influxdb("http://127.0.0.1:9"),
        OTEL_JOB_MEASURE_TIMEOUT="0.2",
        OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT="0.2",
    )
    assert done.returncode == 1
    assert set(rows(done.stdout)) == OUTCOMES
    assert f"ship --once --state-dir {tmp_path / DEMO}`" in done.stderr


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({}, "INFLUXDB_"),
        ({"INFLUXDB_URL": "localhost:8086"}, "INFLUXDB_URL"),
        ({"OTEL_JOB_MEASURE_DISABLED": "true"}, "OTEL_JOB_MEASURE_DISABLED"),
    ],
)
def test_settings_that_it_cannot_ship_with_are_one_error(
    more: dict[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and no job is run."""
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    assert main(["demo", "--ship", "--env-file", os.devnull]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("otel-job-measure: ")
    assert complaint in err


def test_a_relative_state_directory_is_one_for_all_its_processes(tmp_path: Path) -> None:
    """The jobs that are processes of their own work in another folder, and are measured in the same place."""
    done = demo(tmp_path, "--state-dir", "here")
    assert done.returncode == 0, done.stderr
    assert set(rows(done.stdout)) == OUTCOMES
    assert (tmp_path / "here" / "history.db").exists()


def test_it_reads_an_env_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that isn't there is an error."""
    assert main(["demo", "--ship", "--env-file", str(tmp_path / "no-such-file")]) == 1
    assert "no-such-file" in capsys.readouterr().err


def test_the_scheduled_job_runs_however_late_its_turn_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a busy machine APScheduler would let it go by after a second."""
    scheduler_class: Any = import_module("apscheduler.schedulers.background").BackgroundScheduler
    start = scheduler_class.start

    def late(scheduler: Any) -> None:  # noqa: ANN401 - the library has no types
        ((job, *_),) = scheduler._pending_jobs
        job.trigger.run_date -= timedelta(hours=1)
        start(scheduler)

    monkeypatch.setattr(scheduler_class, "start", late)
    assert main(["demo", "--env-file", os.devnull, "--state-dir", str(tmp_path / "state")]) == 0
    assert set(rows(capsys.readouterr().out)) == OUTCOMES


def test_without_apscheduler_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how to install it, in lines of 80 characters, and runs the other jobs."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert main(["demo", "--env-file", os.devnull, "--state-dir", str(tmp_path / "state")]) == 0
    out, _ = capsys.readouterr()
    assert "  count-orders     APScheduler is not installed:\n" in out
    assert f"\n{'':<19}pip install 'apscheduler>=3.11,<4'\n" in out
    assert set(rows(out)) == OUTCOMES - {("count-orders", "end", "")}
