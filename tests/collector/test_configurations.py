"""Each file is good as it is, and says which variable is missing."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.delivery.support import SERVER_PEM
from tests.support.collectors import CONFIGURATIONS

INFLUXDB = {
    "INFLUXDB_URL": "http://127.0.0.1:1",
    "INFLUXDB_TOKEN": "secret",
    "INFLUXDB_ORG": "acme",
    "INFLUXDB_BUCKET": "jobs",
}
TRACES = {"TRACES_ENDPOINT": "http://127.0.0.1:1"}
INTAKE = {
    "INTAKE_TLS_CERT": str(SERVER_PEM),
    "INTAKE_TLS_KEY": str(SERVER_PEM),
    "INTAKE_TOKEN": "secret",
    "KAFKA_BROKERS": "127.0.0.1:1",
}
NEEDED: dict[tuple[str, ...], dict[str, str]] = {
    ("agent.yaml",): INFLUXDB | TRACES,
    ("agent.yaml", "agent-telegraf.yaml"): INFLUXDB | TRACES | {"TELEGRAF_ENDPOINT": "127.0.0.1:1"},
    ("agent.yaml", "agent-disk.yaml"): INFLUXDB | TRACES,
    ("gateway.yaml",): TRACES,
    ("fleet/intake.yaml",): INTAKE,
    ("fleet/drain.yaml",): {"KAFKA_BROKERS": "127.0.0.1:1", "TELEGRAF_ENDPOINT": "127.0.0.1:1"},
}
MISSING = [(files, name) for files, needed in NEEDED.items() for name in needed]


def collector_says(binary: Path, files: tuple[str, ...], needed: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Has the collector validate files."""
    command = [str(binary), "validate", *(f"--config={CONFIGURATIONS / file}" for file in files)]
    environment = {"PATH": os.environ["PATH"], **needed}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def telegraf_says(binary: Path, needed: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Has Telegraf check its file, and the Starlark file with it."""
    command = [str(binary), "config", "check", "--config", str(CONFIGURATIONS / "telegraf.conf")]
    environment = {"PATH": os.environ["PATH"], "TELEGRAF_ROWS": str(CONFIGURATIONS / "rows.star"), **needed}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("files", NEEDED)
def test_the_collector_takes_the_file(collector_binary: Path, files: tuple[str, ...]) -> None:
    """With what has no default, and nothing else."""
    said = collector_says(collector_binary, files, NEEDED[files])
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize(("files", "name"), MISSING)
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_the_collector_names_the_missing_variable(
    collector_binary: Path, files: tuple[str, ...], name: str, value: str | None
) -> None:
    """And doesn't start; an empty one is as good as none."""
    needed = {key: text for key, text in NEEDED[files].items() if key != name} | (
        {} if value is None else {name: value}
    )
    said = collector_says(collector_binary, files, needed)
    assert said.returncode != 0
    assert name in said.stderr
    assert "is missing" in said.stderr or "no bearer token provided" in said.stderr
    assert "secret" not in said.stderr


@pytest.mark.parametrize("files", [files for files, needed in NEEDED.items() if "secret" in needed.values()])
def test_no_secret_is_printed_with_the_configuration(collector_binary: Path, files: tuple[str, ...]) -> None:
    """The token and the headers are not in what `print-config` shows, whatever is in them."""
    secrets = {"INFLUXDB_TOKEN": "secret==", "TRACES_HEADERS": '{authorization: "Bearer secret"}'}
    command = [str(collector_binary), "print-config"]
    command += [f"--config={CONFIGURATIONS / file}" for file in files]
    environment = {"PATH": os.environ["PATH"], **NEEDED[files], **secrets}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert "REDACTED" in said.stdout
    assert "secret" not in said.stdout + said.stderr


@pytest.mark.parametrize("token", ['quo"ted', "back\\slash", "spaces and $dollar"])
def test_the_collector_takes_any_token(collector_binary: Path, token: str) -> None:
    """No text of a token stops it."""
    said = collector_says(collector_binary, ("agent.yaml",), INFLUXDB | TRACES | {"INFLUXDB_TOKEN": token})
    assert (said.returncode, said.stderr) == (0, "")


def test_telegraf_takes_the_file(telegraf_binary: Path) -> None:
    """With what has no default, and nothing else."""
    said = telegraf_says(telegraf_binary, INFLUXDB)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("name", INFLUXDB)
@pytest.mark.parametrize("value", [None, ""], ids=["missing", "empty"])
def test_telegraf_names_the_missing_variable(telegraf_binary: Path, name: str, value: str | None) -> None:
    """And doesn't start."""
    needed = {key: text for key, text in INFLUXDB.items() if key != name} | ({} if value is None else {name: value})
    said = telegraf_says(telegraf_binary, needed)
    assert said.returncode != 0
    assert f"{name} is missing" in said.stderr
    assert "secret" not in said.stderr
