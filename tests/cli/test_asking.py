"""Every command that asks: each store by `--from`, the reader's own token, and a history that cannot answer."""

import json
import sqlite3
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.cli import check, main
from otel_job_measure.expectations.expectation import Expectation, JobId
from otel_job_measure.history.history import History
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.statements import Snapshot, Statement
from tests.cli.test_stores import AWAY
from tests.history.support import Lines, chunk, rows
from tests.history.test_upgrade import version_1
from tests.support.influx import InfluxServer

ASKING: Final = {
    "jobs": ["jobs", "--json"],
    "runs": ["runs", "--json"],
    "show": ["show", "asked"],
    "expected": ["expected", "--json"],
    "check": ["check", "--json"],
    "report": ["report", "--json"],
}
"""Each command that asks and ends; `watch` and `web` ask by the same options as `jobs`."""
MOST: Final = {"check": 1}
"""The exit codes of answers: `check` warns, because the runs of these tests are ahead of the clock."""
OF_HISTORY: Final = [name for name in ASKING if name != "expected"]


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Returns the exit code of a command, and what stands on stdout and stderr."""
    code = main([*words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def history(state_dir: Path, uuid: str = "asked") -> Path:
    """Makes a history with one run, and returns its file."""
    state_dir.mkdir(mode=0o700)
    path = state_dir / "history.db"
    History(path, retention_s=1e10).fold(
        [chunk(Lines(uuid=uuid, job="here").start() + Lines(uuid=uuid, job="here").end())]
    )
    return path


def newer(state_dir: Path) -> None:
    """A newer version has written it."""
    rows(history(state_dir), "PRAGMA user_version = 99")


def folder(state_dir: Path) -> None:
    """There is something else in its place."""
    (state_dir / "history.db").mkdir(mode=0o700, parents=True)
    state_dir.chmod(0o700)


def other_tables(state_dir: Path) -> None:
    """It is the file of another program."""
    state_dir.mkdir(mode=0o700)
    with sqlite3.connect(state_dir / "history.db") as connection:
        connection.execute("CREATE TABLE runs (number INTEGER)")
    connection.close()


BROKEN: Final = {
    "newer": (newer, "upgrade this program"),
    "folder": (folder, "move it away"),
    "other": (other_tables, "history.db"),
}


@pytest.mark.parametrize("command", OF_HISTORY)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_history_that_cannot_answer_is_one_clear_error(
    state_dir: Path, capsys: pytest.CaptureFixture[str], kind: str, command: str
) -> None:
    """One line names the file and says what to do; `check` is UNKNOWN, with its line on stdout."""
    make, advice = BROKEN[kind]
    make(state_dir)
    code, out, error = said(capsys, *ASKING[command])
    line = out if command == "check" else error
    assert (code, line.count("\n")) == (3 if command == "check" else 1, 1)
    assert str(state_dir / "history.db") in line
    assert advice in line


@pytest.mark.parametrize("command", ["jobs", "runs", "show", "report"])
def test_a_history_that_was_damaged_is_said_as_long_as_its_file_is_there(
    state_dir: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Another process may have set it aside: an empty answer would look as if nothing had ever run."""
    history(state_dir).write_bytes(b"no database" * 1000)
    assert main(["completion", "jobs"]) == 0
    capsys.readouterr()
    assert "the history was damaged; the runs of before are in" in said(capsys, *ASKING[command])[2]
    for each in state_dir.glob("history.db.corrupt-*"):
        each.unlink()
    assert "damaged" not in said(capsys, *ASKING[command])[2]


@pytest.mark.parametrize("command", ["check", "report"])
def test_a_locked_history_is_waited_for_once(
    state_dir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    usual_check_s: float,
    command: str,
) -> None:
    """The error comes before the time that `check` has is over, so it says why there is no answer."""
    monkeypatch.setattr(check, "_TIMEOUT_S", usual_check_s)
    history(state_dir)
    held = lock(state_dir / "history.lock")
    assert held is not None
    code, out, error = said(capsys, *ASKING[command])
    held.release()
    assert code == (3 if command == "check" else 1)
    assert "is in use by another process" in out + error


@pytest.mark.parametrize("command", ASKING)
def test_a_missing_history_is_an_empty_answer(
    state_dir: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Nothing is made by asking; a run that is asked for by its id is not there, and `check` cannot know."""
    code, _, error = said(capsys, *ASKING[command])
    assert (code, error.count("\n") <= 1) == ({"show": 1, "check": 3}.get(command, 0), True)
    assert not state_dir.exists()


@pytest.mark.parametrize("command", ASKING)
def test_a_history_of_the_first_version_answers(
    state_dir: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """It is read as it is, and brought to this version."""
    state_dir.mkdir(mode=0o700)
    version_1(state_dir / "history.db")
    words = ["show", "back"] if command == "show" else ASKING[command]
    code, out, _ = said(capsys, *words)
    assert code == 0
    assert command in {"expected", "report"} or "nightly" in out


@pytest.mark.parametrize("command", ASKING)
def test_every_command_asks_the_store_that_it_is_told(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """The history answers while the server is away; a question to it gets one line, without its token."""
    history(state_dir)
    for name, value in AWAY.items():
        monkeypatch.setenv(name, value)
    assert said(capsys, *ASKING[command], "--from", "history")[0] <= MOST.get(command, 0)
    code, out, error = said(capsys, *ASKING[command], "--from", "influxdb")
    assert (out + error).count("\n") == 1
    assert code == (3 if command == "check" else 1)
    assert AWAY["INFLUXDB_URL"] in out + error
    assert "secret" not in out + error


@pytest.mark.parametrize("command", ASKING)
def test_every_command_reads_with_the_readers_token(
    influx: InfluxServer,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    """The token of the jobs may only write; the error without another names the variable to set."""
    influx.write(Lines(uuid="asked", job="there").start() + Lines(uuid="asked", job="there").end(), bucket)
    for name, value in influx.variables(bucket).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INFLUXDB_TOKEN", influx.write_only_token(bucket))
    code, out, error = said(capsys, *ASKING[command], "--from", "influxdb")
    assert code == (3 if command == "check" else 1)
    assert "OTEL_JOB_MEASURE_READ_TOKEN" in out + error
    (tmp_path / "token").write_text(influx.read_only_token(bucket))
    monkeypatch.setenv("OTEL_JOB_MEASURE_READ_TOKEN_FILE", str(tmp_path / "token"))
    code, out, error = said(capsys, *ASKING[command], "--from", "influxdb")
    assert code <= MOST.get(command, 0)
    assert error == ""
    assert command in {"expected", "report"} or "there" in out


def test_expected_asks_the_server_if_nothing_is_expected_here(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine that only looks has no sources; one that has some is not silently mixed with others."""
    for name, value in AWAY.items():
        monkeypatch.setenv(name, value)
    code, _, error = said(capsys, "expected")
    assert (code, error.count("\n")) == (1, 1)
    assert AWAY["INFLUXDB_URL"] in error
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", "memory")
    assert AWAY["INFLUXDB_URL"] in said(capsys, "expected")[2]
    assert "memory" in said(capsys, "expected", "--from", "history")[2]
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", str(state_dir))
    statement = Statement(job=JobId("here"), expectation=Expectation(every_s=3600.0))
    ExpectedStore(state_dir).note(Snapshot(source="exec", origin="here", statements=[statement]))
    code, out, error = said(capsys, "expected", "--json")
    assert (code, error, json.loads(out)["job"]) == (0, "", "here")
