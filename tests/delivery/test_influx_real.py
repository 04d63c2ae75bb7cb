"""The table of answers against real InfluxDB: the oldest and the newest 1.x, and 2.7."""

import secrets
import time
from typing import Any, cast

import pytest

from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack
from otel_job_measure.settings import Settings
from tests.delivery.support import ListRejects, chunks_of, line, segment
from tests.support.generations import REAL, AnyInflux, Opened
from tests.support.influx import InfluxServer
from tests.support.influxd import VERSION, VERSIONS_1

DAY_NS = 86_400_000_000_000


@pytest.fixture(params=REAL)
def real_influx(request: pytest.FixtureRequest, generations: Opened) -> InfluxServer:
    """A real server of each generation whose words delivery knows."""
    return cast("InfluxServer", generations.get(str(request.param)))


class Wire:
    """A sink to the real server, and what it counts."""

    def __init__(self, influx: AnyInflux, bucket: str, **more: Any) -> None:  # noqa: ANN401 - any of the arguments of Settings
        self.counters = Counters()
        self.rejects = ListRejects()
        settings = Settings(**(influx.arguments(bucket) | more))
        self.sink = InfluxSink(settings, self.counters, self.rejects)

    def take(self, *lines: bytes) -> Ack:
        self.answer = self.sink.write(chunks_of(segment("a", *lines)))
        self.sink.close()
        return self.answer.ack

    def counts(self) -> tuple[int, int, int]:
        counts = self.counters.now()
        return counts.delivered, counts.rejected, counts.expired


def recent(number: int) -> bytes:
    """Returns a start line of just now."""
    return line(number, NOW_NS)


NOW_NS = time.time_ns() // 1000 * 1000
"""When the tests were collected. All of them together can take an hour, so a bucket keeps these lines for a day."""


def test_good_lines_are_delivered(real_influx: InfluxServer, real_bucket: str) -> None:
    """What was given is what a query gives back, to the nanosecond."""
    wire = Wire(real_influx, real_bucket)
    assert wire.take(*map(recent, range(100))) is Ack.DONE
    rows = real_influx.lines(real_bucket)
    assert [row.time_ns for row in rows] == [NOW_NS + number for number in range(100)]
    assert rows[7].fields == {"uuid": "000000000007", "status": "start"}
    assert wire.counts() == (100, 0, 0)
    assert wire.sink.reachable
    assert wire.sink.last_success_ns is not None


def test_lines_of_an_older_version_are_delivered_as_they_are(real_influx: InfluxServer, real_bucket: str) -> None:
    """A journal can hold names as they were written before version 3 was thought of."""
    names = {"a\tb": "a\tb", r"C:\Jobs\\ nightly": "C:\\Jobs\\ nightly", r"a\\b": r"a\\b"}
    wire = Wire(real_influx, real_bucket)
    lines = [f'scheduling-job,job={name} status="start",uuid="u" {NOW_NS}'.encode() for name in names]
    assert wire.take(*lines) is Ack.DONE
    assert wire.counts() == (3, 0, 0)
    assert {row.tags["job"] for row in real_influx.lines(real_bucket)} == set(names.values())


def test_unparsable_lines_among_good_ones(real_influx: InfluxServer, real_bucket: str) -> None:
    """Whatever can't be read is rejected with the server's reason, and every good line is there."""
    now = str(NOW_NS).encode()
    bad = {
        b"garbage": "missing fields",
        b"a,x= v=1 " + now: "missing tag value",
        b"a v=NaN " + now: "invalid number",
        b"a,time=1 v=1 " + now: 'cannot use reserved tag key "time"'
        if real_influx.version == VERSION
        else "invalid tag key",
        b"a v=1 99999999999999999999": 'strconv.ParseInt: parsing "99999999999999999999": value out of range',
        b"more <garbage> & 'so': x": "invalid field format",
        "ä,ö=ü v= ".encode() + now: "missing field value",
    }
    wire = Wire(real_influx, real_bucket)
    lines = [text for number, one in enumerate(bad) for text in (recent(number), one)]
    assert wire.take(*lines) is Ack.DONE
    kept = dict(wire.rejects.kept)
    assert kept.keys() == bad.keys()
    assert [words for line, words in bad.items() if words not in kept[line]] == []
    assert wire.counts() == (len(bad), len(bad), 0)
    assert len(real_influx.lines(real_bucket)) == len(bad)


def test_an_unclosed_quote_takes_nobody_with_it(real_influx: InfluxServer, real_bucket: str) -> None:
    """A line that swallows those behind it is found by halving."""
    wire = Wire(real_influx, real_bucket)
    bad = b'a v="1 ' + str(NOW_NS).encode()
    assert wire.take(recent(1), recent(2), bad, recent(3), recent(4)) is Ack.DONE
    assert [text for text, _ in wire.rejects.kept] == [bad]
    assert len(real_influx.lines(real_bucket)) == 4


def test_a_key_that_is_too_long_is_rejected(real_influx: InfluxServer, real_bucket: str) -> None:
    """A key over the server's limit doesn't hold up the others."""
    wire = Wire(real_influx, real_bucket)
    assert wire.take(recent(1), b"a,x=" + b"y" * 70_000 + b" v=1", recent(2)) is Ack.DONE
    assert wire.counts() == (2, 1, 0)


def test_lines_outside_the_retention_expire(real_influx: InfluxServer) -> None:
    """Old lines are counted as expired, none is rejected, and the good ones are there."""
    bucket = real_influx.new_bucket(retention_s=86_400)
    old = [line(number, NOW_NS - 2 * DAY_NS) for number in range(50)]
    wire = Wire(real_influx, bucket)
    assert wire.take(*old, *map(recent, range(50))) is Ack.DONE
    assert wire.counts() == (50, 0, 50)
    assert len(real_influx.lines(bucket)) == 50
    assert wire.take(*old) is Ack.DONE
    assert wire.counts() == (50, 0, 100)


def test_a_type_conflict_is_found_among_good_lines(real_influx: InfluxServer, real_bucket: str) -> None:
    """The culprit goes to the rejected with the server's words, the rest is there."""
    real_influx.write(f"a v=1.5 {NOW_NS}", real_bucket)
    wire = Wire(real_influx, real_bucket)
    bad = b'a v="text" ' + str(NOW_NS + 1).encode()
    assert wire.take(*map(recent, range(20)), bad, *map(recent, range(20, 33))) is Ack.DONE
    [(text, words)] = wire.rejects.kept
    assert text == bad
    assert "field type conflict" in words
    assert wire.counts() == (33, 1, 0)
    assert len(real_influx.lines(real_bucket)) == 34


def test_conflict_and_retention_at_once(real_influx: InfluxServer) -> None:
    """Where the server names only the conflict, what is too old still expires and is not rejected."""
    bucket = real_influx.new_bucket(retention_s=86_400)
    real_influx.write(f"a v=1.5 {NOW_NS}", bucket)
    wire = Wire(real_influx, bucket)
    bad = b'a v="text" ' + str(NOW_NS + 1).encode()
    assert wire.take(recent(1), line(2, NOW_NS - 2 * DAY_NS), bad, b"garbage", recent(3)) is Ack.DONE
    assert wire.counts() == (2, 2, 1)
    assert {text for text, _ in wire.rejects.kept} == {b"garbage", bad}


def test_a_field_that_is_too_long_is_rejected(real_influx: InfluxServer, real_bucket: str) -> None:
    """A string over a mebibyte is one bad line, not a blocked queue; 1.8 takes it."""
    wire = Wire(real_influx, real_bucket)
    big = b'a v="' + b"x" * 1_100_000 + b'" ' + str(NOW_NS).encode()
    assert wire.take(recent(1), big, recent(2)) is Ack.DONE
    assert wire.counts() == ((3, 0, 0) if real_influx.version == VERSIONS_1[0] else (2, 1, 0))


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        ({"influxdb_token": "nobody-knows-it"}, "INFLUXDB_TOKEN"),
        ({"influxdb_bucket": "no-such-bucket"}, "INFLUXDB_BUCKET"),
        ({"influxdb_org": "no-such-org"}, "INFLUXDB_ORG"),
    ],
)
def test_what_is_set_wrong_is_held_and_named(
    influx: InfluxServer, bucket: str, wrong: dict[str, object], variable: str
) -> None:
    """Nothing is lost to a wrong setting, and the words say which one it is."""
    wire = Wire(influx, bucket, **wrong)
    assert wire.take(recent(1)) is Ack.HOLD
    assert f"set {variable}" in wire.answer.message
    assert wire.counts() == (0, 0, 0)


def test_a_wrong_path_is_held(influx: InfluxServer, bucket: str) -> None:
    """The message for an address without an InfluxDB names the setting."""
    wire = Wire(influx, bucket, influxdb_url=f"{influx.url}/somewhere")
    assert wire.take(recent(1)) is Ack.HOLD
    assert "set INFLUXDB_URL" in wire.answer.message


def test_a_token_without_the_right_is_held(influx: InfluxServer, bucket: str) -> None:
    """A token that may write elsewhere only is named, and a token that may only write is enough."""
    elsewhere = influx.new_bucket()
    token = influx.write_only_token(elsewhere)
    wire = Wire(influx, bucket, influxdb_token=token)
    assert wire.take(recent(1)) is Ack.HOLD
    assert "INFLUXDB_TOKEN write to INFLUXDB_BUCKET" in wire.answer.message
    assert Wire(influx, elsewhere, influxdb_token=token).take(recent(1)) is Ack.DONE


def test_a_bucket_that_is_made_later_gets_everything(influx: InfluxServer) -> None:
    """Points wait for their bucket."""
    name = f"test-{secrets.token_hex(6)}"
    wire = Wire(influx, name)
    assert wire.take(recent(1)) is Ack.HOLD
    influx.make_bucket(name)
    assert wire.take(recent(1)) is Ack.DONE
    assert wire.counts() == (1, 0, 0)
