"""Root's commands with the rights of another user: `exec` does for its command all that it does else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exec_ import COMMAND, EXEC, LISTEN, PATIENT, line, running
from tests.support.two_users import ONLY_ROOT, SERVER, environment, process, run

pytestmark = ONLY_ROOT
OTHER = ("setpriv", "--reuid=54399", "--regid=54399", "--clear-groups")
OTLP = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
# Runs a command of the package, and tells each module that is looked for with another user's rights.
LATE = """
import os, sys
def told(event, values):
    if event == "import" and os.geteuid() and values[0] not in {*sys.builtin_module_names, "netrc"}:
        os.write(2, f"LATE {values[0]};".encode())
sys.addaudithook(told)
import runpy
sys.argv[0] = "otel-job-measure"
runpy.run_module("otel_job_measure", run_name="__main__")
"""


def test_a_signal_to_the_group_reaches_the_command_once(place: Path) -> None:
    """The process that tells such signals apart has root's rights, as without another user."""
    with running([*PATIENT, *LISTEN], environment=environment(place)) as wrapper:
        assert line(wrapper.stdout) == "ready"
        for number in (signal.SIGTERM, signal.SIGRTMIN + 2, signal.SIGHUP):
            os.killpg(wrapper.pid, number)
            assert line(wrapper.stdout) == str(int(number))
        os.kill(wrapper.pid, signal.SIGALRM)  # what came twice would be told before this one
        assert line(wrapper.stdout) == str(int(signal.SIGALRM))
        os.kill(wrapper.pid, signal.SIGUSR2)
    assert wrapper.returncode == 7


def test_signals_reach_a_command_that_has_changed_its_user(place: Path) -> None:
    """Root may send them, and so `exec` may, though it has given up root's rights itself."""
    with running([*EXEC, *OTHER, "sh", "-c", "echo ready; exec sleep 60"], environment=environment(place)) as wrapper:
        assert line(wrapper.stdout) == "ready"
        os.kill(wrapper.pid, signal.SIGTERM)
    assert wrapper.returncode == -signal.SIGTERM


def test_a_time_limit_holds_for_a_command_that_has_changed_its_user(place: Path) -> None:
    """It is ended, and killed if it does not end."""
    stubborn = ("sh", "-c", "trap '' TERM; exec \"$@\"", "sh")  # from the command's first moment, which takes its time
    words = (*COMMAND, "exec", "--timeout", "0.2s", "--kill-after", "0.2s", "job", "--", *OTHER, "sleep", "60")
    assert process(place, *stubborn, *words).returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (("exec", "job", "--", "false"), {}),
        (("exec", "--keep-output", "4k", "job", "--", "sh", "-c", "echo ran; exit 5"), {}),
        (("exec", "job", "--", "false"), SERVER),
        (("exec", "job", "--", "false"), OTLP),
        (("exec", "job", "--", "false"), {**OTLP, "OTEL_JOB_MEASURE_SINK": "otlp"}),
        (("runs",), {}),
        (("rejected",), {}),
        (("rejected", "--retry"), SERVER),
        (("ship", "--once"), SERVER),
        (("ship", "--once"), {**OTLP, "OTEL_JOB_MEASURE_SINK": "otlp"}),
        (("ship", "--backfill"), SERVER),
    ],
)
def test_nothing_is_imported_with_the_rights_of_the_user(
    place: Path, words: tuple[str, ...], variables: dict[str, str]
) -> None:
    """The user may be unable to read root's Python, and what the user can write must not be imported either."""
    assert run(place, "exec", "job", "--", "false", OTEL_JOB_MEASURE_SHIP="off", **SERVER).returncode == 1
    done = process(place, sys.executable, "-c", LATE, *words, **variables)
    assert "LATE" not in done.stderr
    assert "No module" not in done.stderr


def test_without_the_right_to_change_users_the_reason_is_said(place: Path) -> None:
    """Containers take this right from root; the command of exec runs all the same."""
    bound = ("setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid", *COMMAND)
    done = process(place, *bound, "runs")
    assert done.returncode == 1
    assert "belongs to user 54321, and this process cannot take that user's rights" in done.stderr
    done = process(place, *bound, "exec", "job", "--", "echo", "it ran")
    assert (done.returncode, done.stdout) == (0, "it ran\n")
    assert "cannot take that user's rights" in done.stderr


@pytest.mark.parametrize("how", ["--inh-caps=+net_raw", "--bounding-set=-sys_admin", "--securebits=+no_setuid_fixup"])
def test_odd_capabilities_are_the_commands_too(place: Path, how: str) -> None:
    """Whatever root had before, the command has."""
    look = ("grep", "-E", "^(Uid|Gid|Groups|Cap|NoNewPrivs)", "/proc/self/status")
    alone = subprocess.run(["setpriv", how, *look], capture_output=True, text=True, check=True)
    assert process(place, "setpriv", how, *COMMAND, "exec", "job", "--", *look).stdout == alone.stdout


def test_a_folder_of_root_below_one_of_the_user_counts_as_the_users(place: Path) -> None:
    """The user can exchange it at any moment, so nothing in it is opened with root's rights."""
    state = place / "theirs" / "state"
    state.mkdir(mode=0o700)
    done = run(place, "exec", "job", "--", "echo", "it ran")
    assert (done.returncode, done.stdout) == (0, "it ran\n")
    assert "this process has the rights of user 54321 there" in done.stderr
    assert run(place, "runs").returncode == 1
    assert not list(state.iterdir())
