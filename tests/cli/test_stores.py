"""Which store answers a command that asks about runs."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.cli import main
from otel_job_measure.history.history import History
from tests.history.support import Lines, chunk
from tests.support.influx import InfluxServer

AWAY = {
    "INFLUXDB_URL": "http://127.0.0.1:9",
    "INFLUXDB_TOKEN": "secret",
    "INFLUXDB_ORG": "o",
    "INFLUXDB_BUCKET": "b",
}
"""Nothing listens there."""


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is configured that does not answer."""
    for name, value in AWAY.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def recorded(state_dir: Path) -> Path:
    """A state directory with one run."""
    state_dir.mkdir(mode=0o700)
    History(state_dir / "history.db", retention_s=1e9).fold([chunk(Lines(uuid="local").start())])
    return state_dir


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    """Returns the code, the ids of the runs, and what stands on stderr."""
    code = main(["runs", "--json", *words])
    captured = capsys.readouterr()
    return code, [json.loads(line)["uuid"] for line in captured.out.splitlines()], captured.err


@pytest.mark.usefixtures("recorded", "away")
def test_the_history_answers_if_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """A configured server is not asked."""
    assert asked(capsys) == (0, ["local"], "")
    assert asked(capsys, "--from", "history") == (0, ["local"], "")


@pytest.mark.usefixtures("recorded", "away")
def test_influxdb_answers_if_it_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """One line says that it does not answer; the history is no substitute."""
    code, uuids, complaint = asked(capsys, "--from", "influxdb")
    assert (code, uuids, complaint.count("\n")) == (1, [], 1)
    assert "http://127.0.0.1:9" in complaint
    assert "secret" not in complaint


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("how", ["no folder", "off", "memory", "a folder of what should happen"])
def test_influxdb_answers_if_there_is_no_history_here(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """A machine that only looks has no runs of its own; it makes no folder either."""
    if how == "off":
        state_dir.mkdir(mode=0o700)
        monkeypatch.setenv("OTEL_JOB_MEASURE_HISTORY", "off")
    elif how == "memory":
        monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", "memory")
    elif how == "a folder of what should happen":
        (state_dir / "expected").mkdir(mode=0o700, parents=True)
    before = state_dir.exists()
    code, _, complaint = asked(capsys)
    assert (code, complaint.count("\n")) == (1, 1)
    assert "http://127.0.0.1:9" in complaint
    assert state_dir.exists() == before
    code, _, complaint = asked(capsys, "--from", "history")
    assert "http://127.0.0.1:9" not in complaint


def test_without_a_server_the_history_is_empty(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing here and nothing configured is no error; a server that is asked for must be configured."""
    assert asked(capsys)[:2] == (0, [])
    code, _, complaint = asked(capsys, "--from", "influxdb")
    assert (code, complaint.count("\n")) == (1, 1)
    assert "INFLUXDB_URL" in complaint


@pytest.mark.usefixtures("recorded", "away")
def test_settings_of_jobs_do_not_matter_to_a_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Jobs that send by OTLP, or wait for their server, can be asked for in InfluxDB."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_SINK", "otlp")
    monkeypatch.setenv("OTEL_JOB_MEASURE_CONFIRM_START", "server")
    assert "http://127.0.0.1:9" in asked(capsys, "--from", "influxdb")[2]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--from", "postgres"], "invalid choice: 'postgres'"),
        (["--from", "influxdb", "--output", "abc"], "--output needs the history"),
    ],
)
def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str], words: list[str], complaint: str) -> None:
    """The complaint names what was wrong."""
    with pytest.raises(SystemExit) as raised:
        main(["runs", *words])
    assert raised.value.code == 2
    assert complaint in capsys.readouterr().err


def test_both_stores_list_the_same_runs(
    recorded: Path,
    influx: InfluxServer,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was sent to InfluxDB is listed as the history lists it, field by field."""
    run = Lines(uuid="both")
    History(recorded / "history.db", retention_s=1e9).fold([chunk(run.start(5) + run.end(10**9), "local-2.lp")])
    for name, value in influx.variables(bucket).items():
        monkeypatch.setenv(name, value)
    influx.write(run.start(5) + run.end(10**9), bucket)
    assert _objects(capsys, "--from", "influxdb") == _objects(capsys, "--from", "history", "--status", "end")


def _objects(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert main(["runs", "--json", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("command", ["jobs", "runs", "report"])
def test_ctrl_c_ends_a_question_without_a_traceback(command: str) -> None:
    """A server that says nothing is given up by a person."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        env = {**os.environ, "INFLUXDB_URL": url, "INFLUXDB_TOKEN": "t", "INFLUXDB_ORG": "o", "INFLUXDB_BUCKET": "b"}
        words = [sys.executable, "-m", "otel_job_measure", command, "--from", "influxdb"]
        with subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True) as process:
            server.settimeout(100)
            connection, _ = server.accept()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=100)[1] == ""
            connection.close()
    assert process.returncode == 130
