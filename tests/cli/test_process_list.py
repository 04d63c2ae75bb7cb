"""What other users and children see of our processes: command lines, environments, programs that are started."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.delivery.support import TinyServer
from tests.support.answering import AnsweringServer
from tests.support.exec_ import COMMAND, run, running
from tests.support.uncovered import uncovered

pytestmark = pytest.mark.usefixtures("long_ends")

TOKEN: Final = "token-of-the-file"
PASSWORD: Final = "password-of-the-file"
KEY: Final = "key-of-the-file"
SECRETS: Final = tuple(secret.encode() for secret in (TOKEN, PASSWORD, KEY))
# Runs a command of ours, and tells each program that it starts, and whether that gets a secret.
TOLD: Final = f"""
import os, sys
SECRETS = {SECRETS!r}
def told(event, values):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        environment = values[-1] if event != "os.system" else os.environb
        shown = repr((values, dict(os.environb if environment is None else environment))).encode()
        kind = "LEAK" if any(secret in shown for secret in SECRETS) else "STARTED"
        os.write(2, f"{{kind}} {{values[0]!r}}\\n".encode())
sys.addaudithook(told)
import runpy
sys.argv[0] = "otel-job-measure"
runpy.run_module("otel_job_measure", run_name="__main__")
"""


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything."""
    tiny = TinyServer()
    yield tiny
    tiny.close()


@pytest.fixture
def env_file(tmp_path: Path, server: TinyServer) -> Path:
    """A file with every secret of the package."""
    path = tmp_path / "env"
    path.touch(mode=0o600)
    path.write_text(
        f"INFLUXDB_URL={server.url}\nINFLUXDB_TOKEN={TOKEN}\nINFLUXDB_ORG=o\nINFLUXDB_BUCKET=b\n"
        f"OTEL_JOB_MEASURE_PROXY={server.url.replace('//', f'//user:{PASSWORD}@')}\n"
        f"OTEL_JOB_MEASURE_READ_TOKEN={TOKEN}\nOTEL_EXPORTER_OTLP_HEADERS=api-key={KEY}\n"
    )
    return path


def seen(session: int) -> dict[str, bytes]:
    """Returns what the kernel shows of each process of a session: its command line and its environment."""
    found: dict[str, bytes] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            if int((process / "stat").read_text().rpartition(")")[2].split()[3]) == session:
                for name in ("cmdline", "environ"):
                    found[f"{process.name} {name}"] = (process / name).read_bytes()
    return found


def test_no_secret_of_the_env_file_is_seen_of_exec_and_its_command(env_file: Path, server: TinyServer) -> None:
    """Neither of `exec` and the processes beside it, nor of the command, which also gets none of the variables."""
    words = ["--env-file", str(env_file), "--keep-output=4k", "--timeout=1h", "job", "--"]
    notify = {"NOTIFY_SOCKET": "@nobody-listens"}
    with running([*COMMAND, "exec", *words, "sh", "-c", "read x; env; exit 1"], environment=os.environ | notify) as job:
        while not server.requests:
            assert job.poll() is None
        found = seen(job.pid)
        print("go on", file=job.stdin, flush=True)
        said = job.stdout.read() if job.stdout else ""
    assert TOKEN in server.requests[0].headers["Authorization"]  # it was read, and used
    assert sum(b"otel_job_measure" in shown or b"otel-job-measure" in shown for shown in found.values()) > 0
    assert len(found) >= 8  # at least exec, the sentinel, the relay and the command
    assert [name for name, shown in found.items() if any(secret in shown for secret in SECRETS)] == []
    assert [secret for secret in SECRETS if secret.decode() in said] == []


def test_no_secret_is_seen_of_ship(env_file: Path, server: TinyServer) -> None:
    """Not of the env file, and in no command line if it is in the environment."""
    assert run([*COMMAND, "exec", f"--env-file={env_file}", "job", "--", "true"]).returncode == 0
    server.requests.clear()
    only_appends = os.environ | {"OTEL_JOB_MEASURE_SHIP": "off"}  # the request is that of `ship`
    with running([*COMMAND, "ship", f"--env-file={env_file}"]) as ship:
        job = [*COMMAND, "exec", f"--env-file={env_file}", "job", "--", "true"]
        assert run(job, environment=only_appends).returncode == 0
        while not server.requests:
            assert ship.poll() is None
        found = seen(ship.pid)
        ship.send_signal(signal.SIGTERM)
    assert len(found) == 2
    assert [name for name, shown in found.items() if any(secret in shown for secret in SECRETS)] == []


@pytest.mark.parametrize("words", [["ship"], ["exec", "--keep-output=1k", "job", "--", "sh", "-c", "read x; false"]])
def test_no_secret_of_the_environment_is_in_a_command_line(words: list[str], server: TinyServer) -> None:
    """Every user can read those of all processes."""
    secrets = {
        "INFLUXDB_URL": server.url,
        "INFLUXDB_TOKEN": TOKEN,
        "INFLUXDB_ORG": "o",
        "INFLUXDB_BUCKET": "b",
        "OTEL_JOB_MEASURE_PROXY": server.url.replace("//", f"//user:{PASSWORD}@"),
    }
    environment = os.environ | secrets
    with running([*COMMAND, *words], environment=environment) as process:
        assert run([*COMMAND, "exec", "job", "--", "true"], environment=environment).returncode == 0
        while not server.requests:
            assert process.poll() is None
        found = seen(process.pid)
        process.send_signal(signal.SIGTERM)
    shown = {name: text for name, text in found.items() if name.endswith("cmdline")}
    assert shown
    assert [name for name, text in shown.items() if any(secret in text for secret in SECRETS)] == []


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        (["ship", "--once"], 1),
        (["ship", "--backfill"], 0),
        (["rejected", "--retry"], 0),
        (["runs"], 0),
        (["exec", "job", "--", "true"], 1),
        (["demo", "--ship"], 2),
    ],
)
def test_programs_that_are_started_get_no_secret(env_file: Path, words: list[str], starts: int) -> None:
    """Only these start any: `exec` its command, with its own environment, the demo its jobs, `ship` a crontab -l."""
    options = words.index("--") - 1 if "--" in words else len(words)
    named = [*words[:options], f"--env-file={env_file}", *words[options:]]
    assert run([*COMMAND, "exec", f"--env-file={env_file}", "job", "--", "false"]).returncode == 1
    done = run([sys.executable, "-c", TOLD, *named], environment=uncovered())
    assert done.returncode == 0, done.stderr
    assert b"LEAK" not in done.stderr
    assert done.stderr.count(b"STARTED") == starts


def test_no_secret_is_seen_of_doctor(env_file: Path, server: TinyServer, tmp_path: Path) -> None:
    """It starts no program; the command of a drill's target gets no secret, and a target's URL can come from a file."""
    silent = AnsweringServer()
    silent.is_silent = True
    env_file.write_text(env_file.read_text().replace(str(server.port), str(silent.port)))
    with running([*COMMAND, "doctor", f"--env-file={env_file}", "--timeout=60s"]) as doctor:
        while not silent.requests:
            assert doctor.poll() is None
        found = seen(doctor.pid)
        silent.close()
        said = doctor.stdout.read() if doctor.stdout else ""
    assert [name for name, shown in found.items() if any(secret in shown for secret in SECRETS)] == []
    assert "INFLUXDB_TOKEN" in said
    assert [secret for secret in SECRETS if secret.decode() in said] == []
    target = tmp_path / "target"
    target.write_text(f"exec:{shutil.which('cat')}\n")
    named = [f"--env-file={env_file}", "--state-dir", str(tmp_path / "state")]
    done = run([sys.executable, "-c", TOLD, "doctor", *named], environment=uncovered())
    assert (b"LEAK" in done.stderr, b"STARTED" in done.stderr) == (False, False)
    done = run(
        [sys.executable, "-c", TOLD, "doctor", "--drill", f"--notify=@{target}", *named], environment=uncovered()
    )
    assert (b"LEAK" in done.stderr, b"STARTED" in done.stderr) == (False, True), done.stderr


def test_the_demos_command_gets_no_secret(env_file: Path, tmp_path: Path, server: TinyServer) -> None:
    """The demo's `exec` reads the env file itself, and its points arrive too."""
    cp = tmp_path / "bin" / "cp"
    cp.parent.mkdir()
    cp.write_text(f"#!/bin/sh\nenv >{tmp_path}/seen\ntr '\\0' '\\n' </proc/$PPID/environ >>{tmp_path}/seen\n")
    cp.chmod(0o755)
    variables = {"PATH": f"{cp.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = run([*COMMAND, "demo", "--ship", f"--env-file={env_file}"], environment=os.environ | variables)
    assert done.returncode == 0, done.stderr
    shown = (tmp_path / "seen").read_bytes()
    assert b"PATH=" in shown
    assert [secret for secret in SECRETS if secret in shown] == []
    assert any(b"job=back-up-orders" in text for request in server.requests for text in request.lines)
