"""`doctor` with real servers: what it finds, what it leaves, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure import JobMeasure, names
from otel_job_measure.cli import main
from tests.support.influx import InfluxServer

Findings = dict[str, dict[str, Any]]


def doctor(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, Findings, dict[str, Any]]:
    """Returns the exit code, the findings by their check (of several, the worst), and the whole object."""
    code = main(["doctor", "--json", "--timeout", "60s", *words])
    content = json.loads(capfd.readouterr().out)
    worst = sorted(content["findings"], key=lambda each: each["level"])
    return code, {each["check"]: each for each in worst}, content


def use(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], **more: str) -> None:
    """Sets variables of this process."""
    for name, value in {**variables, **more}.items():
        monkeypatch.setenv(name, value)


def test_all_is_well(
    real_influx: InfluxServer, real_bucket: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A test point is written, read back and removed; nothing is left in the bucket."""
    use(monkeypatch, real_influx.variables(real_bucket))
    code, found, content = doctor(capfd)
    assert (code, content["status"]) == (0, "ok"), content
    assert real_influx.version in found["server.reachable"]["text"]
    assert found["server.probe"]["text"] == "The test point was read back."
    assert found["server.removed"]["text"] == "The test point was removed."
    assert "for ever" in found["server.retention"]["text"]
    assert not real_influx.influxql(f'SELECT * FROM "{names.PROBE}"', real_bucket)  # noqa: S608 - a constant
    assert {each["variable"]: each["value"] for each in content["settings"]}["INFLUXDB_BUCKET"] == real_bucket


def test_a_writer_needs_no_right_to_read(
    real_influx: InfluxServer, real_bucket: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is told which variable a reader's token goes into, and nothing is wrong."""
    secret = real_influx.write_only_token(real_bucket)
    use(monkeypatch, real_influx.variables(real_bucket), **_credentials(real_influx, secret))
    code, found, _ = doctor(capfd)
    assert code == 0
    assert "which is enough" in found["server.read"]["text"]
    assert names.ENV_PREFIX + "READ_TOKEN" in found["server.read"]["advice"]
    assert found["server.removed"]["text"] == "The test point was removed."


def test_a_short_retention_is_a_warning(
    real_influx: InfluxServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Checks look back for two days, so a bucket has to keep that."""
    use(monkeypatch, real_influx.variables(real_influx.new_bucket(retention_s=3600)))
    code, found, _ = doctor(capfd)
    assert (code, found["server.retention"]["level"]) == (1, 1)
    assert found["server.retention"]["facts"]["retention_s"] == 3600


def test_a_wrong_bucket_is_a_problem(
    real_influx: InfluxServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says what to set."""
    use(monkeypatch, real_influx.variables("no such bucket"))
    code, found, _ = doctor(capfd)
    assert (code, found["server.write"]["level"]) == (2, 2)
    assert names.ENV_INFLUXDB_BUCKET in found["server.write"]["advice"]


def test_a_wrong_secret_is_a_problem(
    real_influx: InfluxServer, real_bucket: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says which variable, and shows no secret."""
    use(monkeypatch, real_influx.variables(real_bucket), **_credentials(real_influx, "admin:S3CRET-value"))
    code, found, content = doctor(capfd)
    assert (code, found["server.write"]["level"], found["server.read"]["level"]) == (2, 2, 2)
    assert real_influx.secret_variable in found["server.write"]["advice"]
    assert "S3CRET" not in json.dumps(content)


def test_the_runs_of_the_last_hour_are_counted(
    influx: InfluxServer,
    bucket: str,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A run that is here and not there is told."""
    use(monkeypatch, influx.variables(bucket))
    measure = JobMeasure(state_dir=state_dir)
    with measure.run("nightly"):
        pass
    assert measure.flush(20)
    measure.close(5)
    code, found, _ = doctor(capfd)
    assert (code, found["coverage.jobs"]["facts"]["seen"]) == (0, 1)
    assert "nightly" in found["coverage.unexpected"]["text"]


def _credentials(server: InfluxServer, secret: str) -> dict[str, str]:
    user, _, password = secret.partition(":")
    if server.secret_variable == "INFLUXDB_PASSWORD":
        return {"INFLUXDB_USERNAME": user, "INFLUXDB_PASSWORD": password}
    return {"INFLUXDB_TOKEN": secret}
