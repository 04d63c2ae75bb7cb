"""Log records of an app's own that come to an agent before Telegraf."""

import json
from collections.abc import Callable
from http import HTTPStatus

import pytest

from tests.support.backend import Backend
from tests.support.collectors import Collector
from tests.support.influx import InfluxServer
from tests.support.influxd import request

WORDS = "a line of the app's own"


def post_log(url: str) -> int:
    """Posts a record and returns the answer's status."""
    record = {"timeUnixNano": "1", "body": {"stringValue": WORDS}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    return request("POST", f"{url}/v1/logs", body, {"Content-Type": "application/json"}).status


def test_they_are_handed_on(
    influx: InfluxServer, bucket: str, agent: Callable[..., Collector], backend: Backend
) -> None:
    """To the backend, or to one of their own; Telegraf is not asked."""
    through = agent(bucket, backend.url, "agent-telegraf", TELEGRAF_ENDPOINT="127.0.0.1:1")
    assert post_log(through.http) == HTTPStatus.OK
    assert any(WORDS.encode() in body for body in backend.bodies("/v1/logs"))
    through.stop()


@pytest.mark.parametrize("code", [404, 503, None], ids=["refused", "later", "down"])
def test_an_app_is_told_if_the_backend_does_not_take_them(
    influx: InfluxServer, bucket: str, agent: Callable[..., Collector], backend: Backend, code: int | None
) -> None:
    """No answer says that a record arrived which did not."""
    logs = Backend(code or HTTPStatus.OK)
    if code is None:
        logs.close()
    try:
        more = {"TELEGRAF_ENDPOINT": "127.0.0.1:1", "LOGS_ENDPOINT": logs.url}
        through = agent(bucket, backend.url, "agent-telegraf", **more)
        assert post_log(through.http) >= HTTPStatus.BAD_REQUEST
        assert backend.bodies("/v1/logs") == []
    finally:
        if code is not None:
            logs.close()
