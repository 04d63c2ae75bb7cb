"""Delivery by an `InfluxDBClient` of the app's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from otel_job_measure import JobMeasure, Settings
from otel_job_measure.errors import SettingsError
from tests.delivery.support import TinyServer
from tests.runtime.support import DEAD, delivered, run, variables


@pytest.fixture
def client(server: TinyServer) -> Iterator[Any]:
    """A client of the app's own."""
    made: Any = InfluxDBClient(url=server.url, token="the app's", org="its org")
    with made:
        yield made


def test_only_the_bucket_is_to_be_set(client: Any, server: TinyServer) -> None:  # noqa: ANN401 - it has no types
    """Server, organization and token are the client's, which stays open."""
    measure = JobMeasure(influxdb_client=client, influxdb_bucket="jobs")
    run(measure, "nightly")
    assert measure.close(10)
    assert delivered(server) == ["nightly"]
    [request] = {(request.path, request.headers["Authorization"]) for request in server.requests}
    assert request == ("/api/v2/write?org=its+org&bucket=jobs&precision=ns", "Token the app's")
    server.requests.clear()
    client.write_api(SYNCHRONOUS).write(bucket="its own", record="still works=1")
    assert len(server.requests) == 1


def test_it_goes_before_the_environment(
    client: Any,  # noqa: ANN401 - it has no types
    server: TinyServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What the client knows is taken, what it doesn't comes from the variables."""
    for name, value in variables(DEAD).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("INFLUXDB_TOKEN")
    monkeypatch.setenv("INFLUXDB_TOKEN_FILE", str(tmp_path / "no such file"))
    measure = JobMeasure(influxdb_client=client)
    run(measure, "nightly")
    assert measure.close(10)
    assert "bucket=b&" in server.requests[0].path


def test_it_completes_ready_settings(client: Any, server: TinyServer) -> None:  # noqa: ANN401 - it has no types
    """Settings without a server get the client's."""
    measure = JobMeasure(Settings(project="billing"), influxdb_client=client, influxdb_bucket="jobs")
    run(measure, "nightly")
    assert measure.close(10)
    assert server.requests[0].lines[0].startswith(b"scheduling-job,job=nightly,project=billing ")


def test_credentials_for_another_program_do_not_count_beside_it(client: Any, server: TinyServer) -> None:  # noqa: ANN401 - it has no types
    """Variables of ready settings that are not about a destination leave the client's rights alone."""
    strays = {"INFLUXDB_USERNAME": "u", "INFLUXDB_PASSWORD": "p"}
    measure = JobMeasure(Settings.from_env(strays), influxdb_client=client, influxdb_bucket="jobs")
    run(measure, "nightly")
    assert measure.close(10)
    assert server.requests[0].headers["Authorization"] == "Token the app's"


def test_settings_that_are_complete_stay_so(client: Any, server: TinyServer) -> None:  # noqa: ANN401 - it has no types
    """What ready settings say of the destination is said."""
    settings = Settings(influxdb_url=server.url, influxdb_token="t", influxdb_org="o", influxdb_bucket="b")
    measure = JobMeasure(settings, influxdb_client=client)
    assert measure.settings == settings


def test_a_client_that_signs_in_with_a_password_needs_no_token(server: TinyServer) -> None:
    """There is none to be set then."""
    client: Any = InfluxDBClient(url=server.url, username="user", password="word", org="o")
    with client:
        measure = JobMeasure(influxdb_client=client, influxdb_bucket="b")
    assert measure.settings.destination_id != "local"


def test_without_a_bucket_it_is_an_error(client: Any) -> None:  # noqa: ANN401 - it has no types
    """The message says what is missing, and holds no secret."""
    with pytest.raises(SettingsError, match="INFLUXDB_BUCKET") as caught:
        JobMeasure(influxdb_client=client)
    assert "the app's" not in str(caught.value)
