import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from otel_job_measure.cli import options
from otel_job_measure.errors import SettingsError
from otel_job_measure.points.line_protocol import Point
from tests.support.exec_ import BREAK, COMMAND, EXEC, LISTEN, line, patched, points, run, running
from tests.support.influx import InfluxServer
from tests.support.processes import until
from tests.support.uncovered import uncovered

ON = b"goes on\n"
GO_ON = ["sh", "-c", "echo goes on; exit 3"]


def rows(state_dir: Path) -> tuple[Point, Point, Point]:
    """Returns the three points of the only run: its start, its run row and its end."""
    found = points(state_dir)
    by_kind = {(point.measurement, point.fields.get("status")): point for point in found}
    [end] = [
        point for kind, point in by_kind.items() if kind in {("scheduling-job", "end"), ("scheduling-job", "failed")}
    ]
    assert len(found) == 3
    return by_kind["scheduling-job", "start"], by_kind["scheduling-job-run", None], end


def test_a_command_that_ends_well_is_a_run_that_ends(state_dir: Path) -> None:
    """The journal has the start, the run row and the end of one run, and nothing is said."""
    done = run([*EXEC, "true"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    start, row, end = rows(state_dir)
    assert start.tags == end.tags == {"job": "job"}
    assert row.tags == {"job": "job", "status": "end"}
    assert start.fields["uuid"] == row.fields["uuid"] == end.fields["uuid"]
    assert row.fields["success"] == 1.0
    assert "error_type" not in row.fields
    assert (start.time_ns or 0) < (end.time_ns or 0) == row.time_ns


@pytest.mark.parametrize(
    ("command", "reason", "error_type"),
    [
        (["sh", "-c", "exit 3"], "exit", "exit 3"),
        (["no-such-command"], "exit", "exit 127"),
        (["/"], "exit", "exit 126"),
        (["sh", "-c", "kill -KILL $$"], "signal", "SIGKILL"),
        (["sh", "-c", f"kill -{signal.SIGRTMIN + 3} $$"], "signal", "SIGRTMIN+3"),
    ],
)
def test_a_command_that_does_not_end_well_has_failed(
    command: list[str], reason: str, error_type: str, state_dir: Path
) -> None:
    """An exit code is told from a signal, and each says which it was; a command that isn't there has failed too."""
    run([*EXEC, *command])
    _, row, end = rows(state_dir)
    assert row.tags == {"job": "job", "status": "failed", "reason": reason}
    assert (row.fields["error_type"], row.fields["success"]) == (error_type, 0.0)
    assert end.fields["status"] == "failed"


def test_the_start_is_there_before_the_command(state_dir: Path) -> None:
    """The command itself can read its start in the journal, and nothing after it."""
    done = run([*EXEC, "sh", "-c", f"cat {state_dir}/slots/*/* | grep -v '^#'"])
    assert done.stdout.count(b"\n") == 1
    assert b'status="start"' in done.stdout


def test_default_tags_come_from_variables_and_the_resource(state_dir: Path) -> None:
    """The tags are those that a Python job would have: variables first, then the resource, read without the SDK."""
    environment = os.environ | {
        "PROJECT_STAGE": "test",
        "OTEL_SERVICE_NAME": "billing",
        "OTEL_RESOURCE_ATTRIBUTES": "cloud.region=eu%2Dwest,service.name=other,deployment.environment=x,team=a b",
        "OTEL_JOB_MEASURE_TAGS": "team",
    }
    run([*EXEC, "true"], environment=environment)
    assert rows(state_dir)[0].tags == {
        "job": "job",
        "datacenter": "eu-west",
        "project": "billing",
        "stage": "test",
        "team": "a b",
    }


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OTEL_JOB_MEASURE_SHIP": "maybe"}, "OTEL_JOB_MEASURE_SHIP"),
        ({"INFLUXDB_URL": "nowhere", "INFLUXDB_ORG": "org"}, "INFLUXDB_URL"),
    ],
)
def test_wrong_settings_leave_the_command_alone(variables: Mapping[str, str], words: str, state_dir: Path) -> None:
    """One line on stderr names what is wrong, and the command runs, in our place, and isn't measured."""
    done = run([*EXEC, *GO_ON], environment=os.environ | variables)
    assert (done.returncode, done.stdout) == (3, ON)
    assert done.stderr.decode().startswith(f"otel-job-measure: {words}")
    assert done.stderr.endswith(b"; the command runs and is not measured\n")
    assert done.stderr.count(b"\n") == 1
    assert not state_dir.exists()


@pytest.mark.parametrize(
    "broken",
    [
        f"{BREAK}from otel_job_measure.cli.exec import run; run.CommandRecorder = broken",
        "import signal; del signal.sigtimedwait",
    ],
)
def test_a_failure_of_ours_leaves_the_command_alone(broken: str) -> None:
    """Whatever breaks before the command is started, it runs."""
    done = run([*patched(broken), *GO_ON])
    assert (done.returncode, done.stdout) == (3, ON)
    assert done.stderr.endswith(b"; the command runs and is not measured\n")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("method", ["set_outcome", "end"])
def test_a_failure_of_ours_afterwards_leaves_the_exit_code_alone(method: str) -> None:
    """Whatever breaks after the command has run, its exit code is ours."""
    broken = f"{BREAK}from otel_job_measure.spans.recorder import Recorder; Recorder.{method} = broken"
    done = run([*patched(broken), *GO_ON])
    assert (done.returncode, done.stdout) == (3, ON)
    assert done.stderr == b"otel-job-measure: the end is not measured: 5\n"


def test_where_the_system_has_no_room_for_us_the_command_takes_our_place(state_dir: Path) -> None:
    """When no process can be started, as at a limit of the user's, the command still runs; its end is unknown."""
    broken = "import os\ndef broken(): raise BlockingIOError(11, 'no room')\nos.fork = broken"
    done = run([*patched(broken), *GO_ON])
    assert (done.returncode, done.stdout) == (3, ON)
    assert done.stderr == (
        b"otel-job-measure: sh: Resource temporarily unavailable: the command replaces this process, so its end is not "
        b"measured\n"
    )
    assert [point.fields["status"] for point in points(state_dir)] == ["start"]


@pytest.mark.parametrize("command", [["sh", "-c", "echo $$; kill -PIPE $$"], ["sh", "-c", "echo $$; kill -TERM $$"]])
def test_switched_off_we_are_not_there_at_all(command: list[str], state_dir: Path) -> None:
    """With OTEL_JOB_MEASURE_DISABLED the command is our very process, with default signals, whatever else is set."""
    environment = os.environ | {"OTEL_JOB_MEASURE_DISABLED": "true", "OTEL_JOB_MEASURE_SHIP": "maybe"}
    with running([*EXEC, *command], environment=environment) as process:
        assert line(process.stdout) == str(process.pid)
        assert line(process.stderr) == ""
    assert process.returncode == -getattr(signal, f"SIG{command[-1].split('-')[1].split()[0]}")
    assert not state_dir.exists()


def test_switched_off_a_missing_command_is_told_as_ever() -> None:
    """Not measured, a command that is not there is still 127."""
    done = run([*EXEC, "no-such-command"], environment=os.environ | {"OTEL_JOB_MEASURE_DISABLED": "true"})
    assert (done.returncode, done.stderr) == (127, b"otel-job-measure: no-such-command: No such file or directory\n")


def test_the_env_file_is_for_us_alone(state_dir: Path, tmp_path: Path) -> None:
    """Its variables are settings of ours, those of the environment go first, and the command gets none of them."""
    file = tmp_path / "env"
    file.write_text("PROJECT_NAME=file\nexport PROJECT_STAGE='file' # both\nOTEL_JOB_MEASURE_RUNS=off\n")
    environment = os.environ | {"PROJECT_STAGE": "ours", "PROJECT_NAME": ""}
    command = [
        *COMMAND,
        "exec",
        "--env-file",
        str(file),
        "job",
        "sh",
        "-c",
        "echo $PROJECT_NAME,$PROJECT_STAGE,$OTEL_JOB_MEASURE_RUNS",
    ]
    assert run(command, environment=environment).stdout == b",ours,\n"
    found = points(state_dir)
    assert len(found) == 2
    assert found[0].tags == {"job": "job", "project": "file", "stage": "ours"}


def test_an_env_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A file that was asked for and can't be read is one line on stderr; the command runs."""
    done = run([*COMMAND, "exec", "--env-file", str(tmp_path / "no"), "job", "--", *GO_ON])
    assert (done.returncode, done.stdout) == (3, ON)
    assert b"No such file or directory; the command runs and is not measured\n" in done.stderr


def test_the_default_env_file_is_read_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the option the file of the machine is read if there is one; a foreign line is told."""
    monkeypatch.setenv("PROJECT_NAME", "")
    file = tmp_path / "env"
    options.load_env_file(None, default=file)
    assert os.environ["PROJECT_NAME"] == ""
    file.write_text("PROJECT_NAME=machine\n")
    options.load_env_file(None, default=file)
    assert os.environ["PROJECT_NAME"] == "machine"
    file.write_text("nonsense\n")
    options.load_env_file(None, default=file)
    assert "line 1" in caplog.text


def test_exec_measures_beside_a_foreign_line(tmp_path: Path) -> None:
    """The command runs measured, and stderr has the line's number."""
    file = tmp_path / "env"
    file.write_text(f"nonsense\nOTEL_JOB_MEASURE_STATE_DIR={tmp_path / 'there'}\n")
    environ = {name: value for name, value in os.environ.items() if name != "OTEL_JOB_MEASURE_STATE_DIR"}
    command = [*COMMAND, "exec", "--env-file", str(file), "job", "--", "true"]
    done = subprocess.run(command, env=environ, capture_output=True, check=True)
    assert b"line 1 is not KEY=VALUE" in done.stderr
    assert list((tmp_path / "there").glob("*/*.lp")) + list((tmp_path / "there").glob("*/*/*.lp"))


def test_a_default_env_file_of_another_user_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It holds a token that is not for this user, whose runs are measured all the same; one that was asked for is."""
    file = tmp_path / "env"
    file.write_text("PROJECT_NAME=machine\n")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patched:  # root may read everything
        patched.setattr(Path, "open", denied)
        patched.setattr(Path, "read_text", denied)
        options.load_env_file(None, default=file)
        with pytest.raises(SettingsError, match="Permission denied"):
            options.load_env_file(file)
    assert capfd.readouterr().err == f"otel-job-measure: {file} is ignored: this user may not read it\n"
    assert "PROJECT_NAME" not in os.environ
    with pytest.raises(SettingsError, match="Is a directory"):
        options.load_env_file(None, default=tmp_path)


def test_only_appending_loads_nothing_heavy() -> None:
    """Where nothing is sent, no SDK, client, table library or database is loaded."""
    asked: list[dict[str, str]] = [{}, {"OTEL_JOB_MEASURE_SHIP": "off"}]
    for variables in asked:
        command = [sys.executable, "-X", "importtime", "-m", "otel_job_measure", *EXEC[1:], "true"]
        done = run(command, environment=uncovered() | variables)
        loaded = {text.rpartition("|")[2].strip() for text in done.stderr.decode().splitlines()}
        assert "otel_job_measure.spans.recorder" in loaded
        heavy = (
            "opentelemetry",
            "influxdb_client",
            "urllib3",
            "http.client",
            "sqlite3",
            "rich",
            "asyncio",
            "requests",
            "ssl",
        )
        assert [name for name in loaded if name.startswith(heavy)] == []


def test_a_place_that_cannot_be_written_leaves_the_command_alone(tmp_path: Path) -> None:
    """Where the state directory is a file there is one warning, and the command runs."""
    (tmp_path / "file").touch()
    environment = os.environ | {"OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "file")}
    done = run([*EXEC, *GO_ON], environment=environment)
    assert (done.returncode, done.stdout) == (3, ON)
    assert done.stderr.count(b"\n") == 1


@pytest.mark.usefixtures("long_ends")
def test_the_rows_are_in_influxdb_and_the_start_while_it_runs(
    influx: InfluxServer, bucket: str, tmp_path: Path
) -> None:
    """With a server set, and a token that may only write, the start arrives while the command runs, the rest after."""
    secret = tmp_path / "token"
    secret.write_text(influx.write_only_token(bucket))
    secret.chmod(0o600)
    variables = influx.variables(bucket) | {"INFLUXDB_TOKEN": "", "INFLUXDB_TOKEN_FILE": str(secret)}
    with running([*EXEC, *LISTEN], environment=os.environ | variables) as process:
        assert line(process.stdout) == "ready"
        # A row that is just being written has only some of its fields.
        until(lambda: [row.fields.get("status") for row in influx.lines(bucket)] == ["start"], "the start is there")
        process.send_signal(signal.SIGUSR2)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 7
    ended = [row for row in influx.lines(bucket) if row.measurement == "scheduling-job-run"]
    assert [row.fields["error_type"] for row in ended] == ["exit 7"]


def test_a_server_that_does_not_answer_holds_nobody_up(state_dir: Path) -> None:
    """Our end waits for a silent server for SHUTDOWN_TIMEOUT; SIGTERM ends that at once, with the command's end."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = os.environ | {
            "INFLUXDB_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "INFLUXDB_TOKEN": "t",
            "INFLUXDB_ORG": "o",
            "INFLUXDB_BUCKET": "b",
            "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "60s",
        }
        with running([*EXEC, *GO_ON], environment=environment) as process:
            assert line(process.stdout) == "goes on"
            asked, _ = silent.accept()
            with asked:
                while len(points(state_dir)) < 3:
                    pass
                process.terminate()
                assert process.wait() == 3


def test_a_long_command_gives_signs_of_life(state_dir: Path) -> None:
    """Without a shipper it is the watch over the command that tells adopters, on another boot too, that it lives."""
    code = (
        "from otel_job_measure.cli.exec import process; from otel_job_measure.journal import journal\n"
        "process._KEEP_UP_S = 0.01; journal._ALIVE_NS = 0\n"
    )
    until_alive = ["sh", "-c", f"until grep -q '^# alive ' {state_dir}/slots/*/*.lp; do :; done"]
    done = run([*patched(code), *until_alive])
    assert (done.returncode, done.stderr) == (0, b"")


CRON = {"HOME": "/nonexistent", "LOGNAME": "nobody", "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
CRONTAB = '$MEASURE --version >/dev/null 2>&1 && m="$MEASURE exec nightly --"; $m /bin/sh -c "echo backed up; exit 3"'


@pytest.mark.parametrize("wrapper", ["installed", "missing", "without an interpreter"])
def test_a_line_of_a_crontab_runs_its_command_even_without_the_wrapper(
    wrapper: str, tmp_path: Path, state_dir: Path
) -> None:
    """Cron's PATH lacks the wrapper, and a path of it may be wrong after an upgrade: the backup happens."""
    broken = tmp_path / "otel-job-measure"
    broken.write_text("#!/no/such/python\n")
    broken.chmod(0o755)
    paths = {"installed": COMMAND[0], "missing": "/no/such/otel-job-measure", "without an interpreter": str(broken)}
    environment = {**CRON, "MEASURE": paths[wrapper], "OTEL_JOB_MEASURE_STATE_DIR": str(state_dir)}
    done = run(["/bin/sh", "-c", CRONTAB], environment=environment)
    assert (done.returncode, done.stdout) == (3, b"backed up\n")
    assert len(points(state_dir)) == (3 if wrapper == "installed" else 0)


def test_an_absolute_path_works_under_crons_path(state_dir: Path) -> None:
    """The wrapper needs nothing of PATH; the command is found in cron's."""
    environment = {**CRON, "OTEL_JOB_MEASURE_STATE_DIR": str(state_dir)}
    done = run(["/bin/sh", "-c", f"{COMMAND[0]} exec nightly -- true"], environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [point.fields.get("status") for point in points(state_dir)][:1] == ["start"]
