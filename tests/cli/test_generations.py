"""The commands with each generation of InfluxDB, and how those of 1.x are let in."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.journal.dead_letters import dead_letters
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.monitor import Event, State
from otel_job_measure.points.monitor_rows import line_of
from tests.cli.test_demo import OUTCOMES, demo
from tests.support.exec_ import COMMAND, EXEC
from tests.support.generations import AnyInflux, Opened
from tests.support.influx1 import InfluxServer1, fresh_server_1
from tests.support.influxd import VERSIONS_1

SHIP = [*COMMAND, "ship", "--once", "--env-file", os.devnull]
ALL = ("scheduling-job", "scheduling-job", "scheduling-job-run")
ODD = 'pä: s"w%4&='

pytestmark = pytest.mark.usefixtures("long_ends")


def called(command: list[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    environment = os.environ | dict(variables)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def measurements(influx: AnyInflux, bucket: str) -> tuple[str, ...]:
    """Returns the measurements of all points."""
    return tuple(sorted(row.measurement for row in influx.lines(bucket)))


def test_a_command_of_a_crontab(any_influx: AnyInflux, any_bucket: str) -> None:
    """`exec` has all three rows there when it ends."""
    done = called([*EXEC, "sh", "-c", "exit 3"], any_influx.variables(any_bucket))
    assert (done.returncode, done.stderr) == (3, "")
    assert measurements(any_influx, any_bucket) == ALL
    assert {row.tags["job"] for row in any_influx.lines(any_bucket)} == {"job"}


def test_what_other_processes_left(any_influx: AnyInflux, any_bucket: str, state_dir: Path) -> None:
    """`ship --once` sends it; the process that left it had the same variables, but no secret."""
    variables = any_influx.variables(any_bucket)
    secrets = {"INFLUXDB_TOKEN", "INFLUXDB_PASSWORD"}
    left = {name.lower(): value for name, value in variables.items() if name not in secrets}
    measure = JobMeasure(ship=False, state_dir=state_dir, **left)  # type: ignore[arg-type]
    with measure.run("left"):
        pass
    measure.close()
    done = called(SHIP, variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 points accepted, 0 rejected, 0 expired\n", "")
    assert measurements(any_influx, any_bucket) == ALL


@pytest.mark.parametrize("by", ["ship", "live process"])
def test_a_run_row_of_another_type_stops_no_other_row(
    any_influx: AnyInflux, any_bucket: str, state_dir: Path, by: str
) -> None:
    """The bucket has durations of another type: those rows are dead letters, all starts and endings are there."""
    # Of now, because 1.x and 2 compare types within a week.
    any_influx.write(f'scheduling-job-run,job=before duration="an hour" {time.time_ns()}', any_bucket)
    variables = any_influx.variables(any_bucket)
    live = by == "live process"
    arguments = {name.lower(): value for name, value in variables.items()}
    measure = JobMeasure(ship=live, state_dir=state_dir, **arguments)  # type: ignore[arg-type]
    for _ in range(5):
        with measure.run("new"):
            pass
    if live:
        assert measure.flush(timeout=60)
        health = measure.health()
        assert (health.delivered, health.rejected, health.pending) == (10, 5, 0)
    measure.close()
    if not live:
        done = called(SHIP, variables)
        assert (done.returncode, done.stdout) == (0, "10 points accepted, 5 rejected, 0 expired\n"), done.stderr
    assert measurements(any_influx, any_bucket) == (*["scheduling-job"] * 10, "scheduling-job-run")


def test_the_demo(any_influx: AnyInflux, any_bucket: str, tmp_path: Path) -> None:
    """Each of its runs is there, as it says."""
    done = demo(tmp_path, "--ship", **any_influx.variables(any_bucket))
    assert done.returncode == 0, done.stderr
    assert f"bucket={any_bucket}\nhas accepted " in done.stdout
    found = [row for row in any_influx.lines(any_bucket) if row.measurement == "scheduling-job-run"]
    assert {(row.tags["job"], row.tags["status"], row.tags.get("reason", "")) for row in found} == OUTCOMES


@pytest.fixture(params=VERSIONS_1)
def influx1(request: pytest.FixtureRequest, generations: Opened) -> InfluxServer1:
    """A real server of generation 1 that asks for user and password."""
    return cast("InfluxServer1", generations.get(str(request.param)))


@pytest.fixture
def odd_user(influx1: InfluxServer1) -> Iterator[dict[str, str]]:
    """A user whose name and password have characters that mean something elsewhere, and the right to write."""
    bucket = influx1.new_bucket()
    name = f"us ër@{bucket}/"
    influx1.new_user(name, ODD, "WRITE", bucket)
    yield {"INFLUXDB_URL": influx1.url, "INFLUXDB_BUCKET": bucket, "INFLUXDB_USERNAME": name, "INFLUXDB_PASSWORD": ODD}
    influx1.command(f'DROP USER "{name}"')


def test_a_user_with_odd_characters(influx1: InfluxServer1, odd_user: dict[str, str], tmp_path: Path) -> None:
    """In variables, in an env file with quotes, and with the password in a file of its own."""
    assert called([*EXEC, "true"], odd_user).stderr == ""
    env_file = tmp_path / "env"
    env_file.touch(mode=0o600)
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in odd_user.items()))
    assert called([*COMMAND, "exec", "--env-file", str(env_file), "job", "--", "true"], {}).stderr == ""
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(f"{ODD}\n")
    in_a_file = odd_user | {"INFLUXDB_PASSWORD": "", "INFLUXDB_PASSWORD_FILE": str(secret)}
    assert called([*EXEC, "true"], in_a_file).stderr == ""
    assert measurements(influx1, odd_user["INFLUXDB_BUCKET"]) == tuple(sorted(3 * ALL))


def test_user_and_password_as_a_token(influx1: InfluxServer1) -> None:
    """The form of InfluxDB's own compatibility with 2.x."""
    bucket = influx1.new_bucket()
    token = influx1.write_only_token(bucket)
    where = {"INFLUXDB_URL": influx1.url, "INFLUXDB_BUCKET": f"{bucket}/autogen"}
    assert called([*EXEC, "true"], where | {"INFLUXDB_TOKEN": token}).stderr == ""
    assert called([*EXEC, "true"], where | {"INFLUXDB_TOKEN": token, "INFLUXDB_ORG": "-"}).stderr == ""
    assert measurements(influx1, bucket) == tuple(sorted(2 * ALL))


def test_a_retention_policy_of_its_own(influx1: InfluxServer1) -> None:
    """`database/retention policy` is a bucket; the rows are in that policy."""
    bucket = influx1.new_bucket()
    influx1.command(f'CREATE RETENTION POLICY "long one" ON "{bucket}" DURATION INF REPLICATION 1')
    assert called([*EXEC, "true"], influx1.variables(f"{bucket}/long one")).stderr == ""
    assert measurements(influx1, bucket) == ()
    query = f'SELECT * FROM "{bucket}"."long one"."scheduling-job-run"'  # noqa: S608 - ours
    assert len(influx1.influxql(query, bucket)) == 1


def test_a_server_without_users(influx1: InfluxServer1, tmp_path: Path) -> None:
    """URL and bucket are enough; credentials that it does not ask for do no harm."""
    assert influx1.process is not None
    with fresh_server_1(influx1.process.binary, tmp_path, influx1.version, auth=False) as server:
        assert server.variables() == {"INFLUXDB_URL": server.url, "INFLUXDB_BUCKET": "test"}
        assert called([*EXEC, "true"], server.variables()).stderr == ""
        user = {"INFLUXDB_USERNAME": "any", "INFLUXDB_PASSWORD": "one"}
        assert called([*EXEC, "true"], server.variables() | user).stderr == ""
        token = {"INFLUXDB_TOKEN": "one", "INFLUXDB_ORG": "o"}
        assert called([*EXEC, "true"], server.variables() | token).stderr == ""
        assert measurements(server, "test") == tuple(sorted(3 * ALL))


def test_an_event_of_another_type_stops_no_other_row(any_influx: AnyInflux, any_bucket: str, state_dir: Path) -> None:
    """An event that the bucket refuses is a dead letter; the state and the rows of runs beside it arrive."""
    now_ns = time.time_ns()
    any_influx.write(f'scheduling-job-event,job=before,event=missed withdrawn="no" {now_ns}', any_bucket)
    variables = any_influx.variables(any_bucket)
    measure = JobMeasure(
        ship=False,
        state_dir=state_dir,
        **{name.lower(): value for name, value in variables.items()},  # type: ignore[arg-type]
    )
    with measure.run("new"):
        pass
    job = JobId("new")
    journal = measure.pipeline.journal
    journal.note(line_of(Event(job=job, event="missed", at_ns=now_ns, due_ns=now_ns)))
    journal.note(line_of(State(job=job, at_ns=now_ns, state="missed", level=2, since_ns=now_ns)))
    measure.close()
    done = called(SHIP, variables)
    assert (done.returncode, done.stdout) == (0, "4 points accepted, 1 rejected, 0 expired\n"), done.stderr
    found = [row.measurement for row in any_influx.lines(any_bucket) if row.tags["job"] == "new"]
    assert sorted(found) == ["scheduling-job", "scheduling-job", "scheduling-job-run", "scheduling-job-state"]
    (letter,) = dead_letters(StateDir(state_dir))[0]
    assert letter.line.startswith(b"scheduling-job-event,")
