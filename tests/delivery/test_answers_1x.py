"""What InfluxDB 1.x says to a wrong setting and to lines that it does not take, and what becomes of the points."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from otel_job_measure.delivery.influxdb.responses import Verdict
from otel_job_measure.journal.interfaces import Ack
from tests.delivery.support import line
from tests.delivery.test_influx_real import DAY_NS, NOW_NS, Wire
from tests.support.generations import Opened
from tests.support.influx1 import InfluxServer1, fresh_server_1
from tests.support.influxd import VERSIONS_1


@pytest.fixture(params=VERSIONS_1)
def influx1(request: pytest.FixtureRequest, generations: Opened) -> InfluxServer1:
    """A real server of generation 1 that asks for user and password."""
    return cast("InfluxServer1", generations.get(str(request.param)))


def recent(number: int) -> bytes:
    """Returns a start line of just now."""
    return line(number, NOW_NS)


USER = {"influxdb_username", "influxdb_password"}
Wrong = Callable[[InfluxServer1, str], dict[str, Any]]


def given(**changes: str | None) -> Wrong:
    """Returns arguments that differ; `{url}` and `{bucket}` in them are those of the server."""

    def wrong(influx1: InfluxServer1, bucket: str) -> dict[str, Any]:
        return {name: value and value.format(url=influx1.url, bucket=bucket) for name, value in changes.items()}

    return wrong


NO_USER: dict[str, None] = dict.fromkeys(USER)


def reader(influx1: InfluxServer1, bucket: str) -> dict[str, Any]:
    """Makes a user who may only read."""
    name = f"reader-{secrets.token_hex(6)}"
    influx1.new_user(name, "its-password", "READ", bucket)
    return {"influxdb_username": name, "influxdb_password": "its-password"}


def stranger(influx1: InfluxServer1, bucket: str) -> dict[str, Any]:
    """Makes a user who may write elsewhere."""
    name, _, password = influx1.write_only_token(influx1.new_bucket()).partition(":")
    assert bucket
    return {"influxdb_username": name, "influxdb_password": password}


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        pytest.param(given(influxdb_password="wrong"), USER, id="wrong password"),
        pytest.param(given(influxdb_username="nobody"), USER, id="unknown user"),
        pytest.param(given(**NO_USER), USER, id="no credentials"),
        pytest.param(given(**NO_USER, influxdb_token="of-2.x", influxdb_org="o"), USER, id="token of 2.x"),
        pytest.param(given(**NO_USER, influxdb_token="user:two words"), USER, id="space in a token"),
        pytest.param(reader, {"influxdb_username", "influxdb_bucket"}, id="read-only user"),
        pytest.param(stranger, {"influxdb_username", "influxdb_bucket"}, id="user of another database"),
        pytest.param(given(influxdb_bucket="no-such"), {"influxdb_bucket"}, id="no such database"),
        pytest.param(given(influxdb_bucket="{bucket}/nope"), {"influxdb_bucket"}, id="no such policy"),
        pytest.param(given(influxdb_url="{url}/somewhere"), {"influxdb_url"}, id="wrong path"),
    ],
)
def test_what_is_set_wrong_is_waited_for_and_named(influx1: InfluxServer1, wrong: Wrong, advice: set[str]) -> None:
    """Nothing is lost, and the words name the variables of 1.x; with the right ones everything arrives."""
    bucket = influx1.new_bucket()
    wire = Wire(influx1, bucket, **wrong(influx1, bucket))
    assert wire.take(recent(1), recent(2)) is Ack.HOLD
    for variable in advice:
        assert variable.upper() in wire.answer.message
    assert "INFLUXDB_ORG" not in wire.answer.message
    assert wire.counts() == (0, 0, 0)
    assert Wire(influx1, bucket).take(recent(1), recent(2)) is Ack.DONE
    assert len(influx1.lines(bucket)) == 2


def test_a_database_that_is_made_later_gets_everything(influx1: InfluxServer1) -> None:
    """As a retention policy that is: the process need not be started again."""
    name = f"test-{secrets.token_hex(6)}"
    for bucket, command in (
        (name, f'CREATE DATABASE "{name}"'),
        (f"{name}/later", f'CREATE RETENTION POLICY "later" ON "{name}" DURATION INF REPLICATION 1'),
    ):
        wire = Wire(influx1, bucket)
        assert wire.take(recent(1)) is Ack.HOLD
        influx1.command(command)
        assert wire.take(recent(1)) is Ack.DONE
        assert wire.counts() == (1, 0, 0)
    influx1.command(f'DROP DATABASE "{name}"')


def test_all_kinds_of_lines_at_once(influx1: InfluxServer1) -> None:
    """1.x names one kind at a time, and keeps the others: each bad line is rejected or expired, each good one there."""
    bucket = influx1.new_bucket(retention_s=86_400)
    influx1.write(f"a v=1.5 {NOW_NS}", bucket)
    now = str(NOW_NS + 1).encode()
    bad = [b'a v="text" ' + now, b"garbage", b"a,time=1 v=1 " + now, b"b v=NaN " + now, b'a v="open ' + now]
    old = [line(100 + number, NOW_NS - 2 * DAY_NS) for number in range(3)]
    wire = Wire(influx1, bucket)
    mixed = [each for number, one in enumerate([*bad[:4], *old]) for each in (recent(number), one)]
    assert wire.take(*mixed, recent(50), bad[4], recent(51)) is Ack.DONE
    assert sorted(text for text, _ in wire.rejects.kept) == sorted(bad)
    assert all(words for _, words in wire.rejects.kept)
    assert wire.counts() == (9, 5, 3)
    assert len(influx1.lines(bucket)) == 10


def test_a_body_that_is_too_large_is_sent_in_parts(influx1: InfluxServer1, tmp_path: Path) -> None:
    """`max-body-size` bounds a request; a line that alone is over it is rejected with the server's words."""
    assert influx1.process is not None
    binary = influx1.process.binary
    with fresh_server_1(binary, tmp_path, influx1.version, auth=False, max_bytes=2000) as server:
        wire = Wire(server, server.bucket)
        noise = secrets.token_hex(4000)  # it stays as large as it is when it is compressed
        big = f'a v="{noise}" {NOW_NS}'.encode()
        assert wire.take(*map(recent, range(300)), big, *map(recent, range(300, 400))) is Ack.DONE
        [(text, words)] = wire.rejects.kept
        assert text == big
        assert "Request Entity Too Large" in words
        assert len(server.lines()) == 400


def test_too_many_values_of_a_tag(influx1: InfluxServer1, tmp_path: Path) -> None:
    """The lines over the limit are rejected, and others go on arriving."""
    assert influx1.process is not None
    binary = influx1.process.binary
    with fresh_server_1(binary, tmp_path, influx1.version, auth=False, max_values_per_tag=20) as server:
        server.write("\n".join(f"t,x={number} v=1 {NOW_NS}" for number in range(20)))
        over = [f"t,x={number} v=1 {NOW_NS}".encode() for number in range(20, 22)]
        wire = Wire(server, server.bucket)
        assert wire.take(recent(1), *over, recent(2)) is Ack.DONE
        assert [text for text, _ in wire.rejects.kept] == over
        assert all("max-values-per-tag limit exceeded" in words for _, words in wire.rejects.kept)
        assert len(server.lines()) == 22


def requests_for(influx1: InfluxServer1, monkeypatch: pytest.MonkeyPatch, *lines: bytes) -> tuple[Wire, int, str]:
    """Sends lines, and returns the sink, how many requests that took, and the bucket."""
    bucket = influx1.new_bucket()
    influx1.write(f"scheduling-job-run,job=j duration=1i {NOW_NS}", bucket)
    wire = Wire(influx1, bucket)
    sent: list[int] = []
    request = wire.sink._request

    def counting(lines: Sequence[bytes], timeout_s: float) -> Verdict:
        sent.append(len(lines))
        return request(lines, timeout_s)

    monkeypatch.setattr(wire.sink, "_request", counting)
    while wire.take(*lines) is not Ack.DONE:
        assert wire.answer.ack is Ack.MORE
    return wire, len(sent), bucket


def conflicting(number: int) -> bytes:
    """Returns a row whose field has another type in the bucket."""
    return f"scheduling-job-run,job=j duration={number}.5 {NOW_NS + number}".encode()


@pytest.mark.parametrize("bad", [(b"garbage", b"b v=NaN 1"), (conflicting(1), conflicting(2))])
def test_two_bad_lines_among_302_cost_few_requests(
    influx1: InfluxServer1, monkeypatch: pytest.MonkeyPatch, bad: tuple[bytes, bytes]
) -> None:
    """The server names the lines, or the field and its type: halving would take dozens."""
    lines = [*map(recent, range(100)), bad[0], *map(recent, range(100, 200)), bad[1], *map(recent, range(200, 300))]
    wire, requests, bucket = requests_for(influx1, monkeypatch, *lines)
    assert requests <= 4
    assert {line for line, _ in wire.rejects.kept} == set(bad)
    assert wire.counts() == (300, 2, 0)
    assert len(influx1.lines(bucket)) == 301


def test_thousands_of_conflicts_cost_few_requests(influx1: InfluxServer1, monkeypatch: pytest.MonkeyPatch) -> None:
    """One third of the lines is refused for their field's type."""
    lines = [
        line for number in range(4000) for line in (recent(2 * number), conflicting(number), recent(2 * number + 1))
    ]
    wire, requests, bucket = requests_for(influx1, monkeypatch, *lines)
    assert requests <= 12
    assert wire.counts() == (8000, 4000, 0)
    assert len(influx1.lines(bucket)) == 8001
