"""One warning each for what goes over the network, or lies on the disk, where others can read it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.delivery import server_sink
from otel_job_measure.settings import parse_env_file, secret
from otel_job_measure.settings.secret import SecretFile, token_from
from tests.delivery.receivers import Sent, otlp
from tests.delivery.ship import sink_for
from tests.delivery.support import settings_for

FAR = "http://influx.example:8086"
SAFE = FAR.replace("http:", "https:")


@pytest.fixture(autouse=True)
def _first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was said before: each warning comes once in a process."""
    for module in (server_sink, secret):
        monkeypatch.setattr(module._once, "_last_ns", {})


def influx(url: str, **more: Any) -> Any:  # noqa: ANN401 - arguments of Settings, and a sink
    """Returns a sink of InfluxDB."""
    return sink_for(settings_for(url, **more))


def receiver(url: str, **more: Any) -> Any:  # noqa: ANN401 - the same
    """Returns a sink of a receiver."""
    return Sent(otlp(url, **more)).sink


@pytest.mark.parametrize("sink", [influx, receiver])
@pytest.mark.parametrize(
    ("url", "proxy", "says"),
    [
        (FAR, None, ["points and secrets are not encrypted"]),
        (SAFE, None, []),
        ("http://127.0.0.1:1", None, []),
        ("http://localhost:1", None, []),
        (SAFE, "http://user:password@proxy.example", ["the password of the proxy"]),
        (SAFE, "http://proxy.example", []),
        (SAFE, "http://user:password@localhost", []),
        (SAFE, "https://user:password@proxy.example", []),
    ],
)
def test_what_is_not_encrypted_is_told_once(
    sink: Callable[..., Any], url: str, proxy: str | None, says: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Only if it goes to another machine; a password of a proxy counts by itself, and is not shown."""
    for _ in range(2):
        sink(url, proxy=proxy).close()
    told = [record.getMessage() for record in caplog.records if "encrypted" in record.getMessage()]
    assert [words for words, message in zip(says, told, strict=True) if words in message] == says
    assert ":password" not in caplog.text


@pytest.mark.parametrize(("mode", "may"), [(0o666, "read and write"), (0o644, "read"), (0o602, "write"), (0o660, "")])
def test_files_of_secrets_that_every_user_can_reach_are_told_once(
    tmp_path: Path, mode: int, may: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An env file with a secret, and a file of a token; a group's is its owner's choice."""
    env, token = tmp_path / "env", tmp_path / "token"
    env.write_text("INFLUXDB_TOKEN=a-secret-token\n")
    token.write_text("a-secret-token\n")
    for path in (env, token):
        path.chmod(mode)
    for _ in range(2):
        parse_env_file(env)
        SecretFile(token, "INFLUXDB_TOKEN_FILE", "a token", token_from).secret()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (2 if may else 0)
    assert all(f"every user of this machine may {may} " in message for message in told)
    assert "a-secret-token" not in caplog.text
