"""What each generation of InfluxDB says to bad lines and wrong settings, and how many requests it costs."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from otel_job_measure.delivery.influxdb.responses import Verdict
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack
from otel_job_measure.settings import Settings
from tests.delivery.support import ListRejects, chunks_of, line, segment
from tests.support.generations import AnyInflux

DAY_NS = 86_400_000_000_000
NOW_NS = time.time_ns() // 1000 * 1000
"""When the tests were collected. All of them together can take an hour, so a bucket keeps these lines for a day."""
TITLES = {
    "1.8.10": "InfluxDB 1.8.10",
    "1.13.2": "InfluxDB 1.13.2",
    "2.7.12": "InfluxDB 2.7.12",
    "3.0-core": "InfluxDB 3.0.3 Core",
    "3.6-core": "InfluxDB 3.6.0 Core",
    "3.10-core": "InfluxDB 3.10.0 Core",
    "3.10-partial": "InfluxDB 3.10.0 Core",
    "3-serverless": "InfluxDB",
    "3-dedicated": "InfluxDB 3",
    "3-clustered": "InfluxDB 3",
}
"""What a log calls them; Serverless does not say what it is."""
MOST_REQUESTS = {"3-serverless": 4, "3-dedicated": 4, "3.10-partial": 4, "3-clustered": 5, "3.0-core": 5}
"""For two bad lines, of the kinds that name lines; the last two name one field, or one line, at a time."""
NAMES_NONE = {"3.6-core"}
"""It says neither which line nor why."""
CORE = {"3.0-core", "3.6-core", "3.10-core", "3.10-partial"}


class CountingSink(InfluxSink):
    """A sink that counts its requests."""

    requests = 0

    def _request(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        self.requests += 1
        return super()._request(lines, timeout_s)


class Wire:
    """A sink to a server, and what it counts."""

    def __init__(self, influx: AnyInflux, bucket: str, **more: Any) -> None:  # noqa: ANN401 - any of the arguments of Settings
        self.counters = Counters()
        self.rejects = ListRejects()
        self.sink = CountingSink(Settings(**(influx.arguments(bucket) | more)), self.counters, self.rejects)

    def take(self, lines: Sequence[bytes]) -> Ack:
        """Writes lines until they are settled or have to wait."""
        chunks = chunks_of(segment("a", *lines))
        while True:
            answer = self.sink.write(chunks)
            if answer.ack is not Ack.MORE:
                break
        self.message = answer.message
        self.sink.close()
        return answer.ack

    @property
    def refused(self) -> list[bytes]:
        """Returns the dead letters."""
        return sorted(text for text, _ in self.rejects.kept)


def recent(number: int) -> bytes:
    """Returns a start line of just now."""
    return line(number, NOW_NS)


def good(count: int) -> list[bytes]:
    """Returns start lines of just now."""
    return [recent(number) for number in range(count)]


def mixed(lines: list[bytes], bad: list[bytes]) -> list[bytes]:
    """Returns lines with bad ones spread among them."""
    step = len(lines) // len(bad)
    for number, one in enumerate(bad):
        lines.insert(number * step + step // 2, one)
    return lines


def at(text: str, number: int = 0) -> bytes:
    """Returns a line of just now."""
    return f"{text} {NOW_NS + number}".encode()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param([b"garbage", b"a,x v=1"], id="unparsable"),
        pytest.param([at('other v="text"', 1), at('other v="text"', 2)], id="another type"),
        pytest.param([at("a,time=1 v=1"), at("a v=1e999e")], id="reserved and no number"),
        pytest.param([b"garbage", at('other v="text"', 1)], id="of two kinds"),
    ],
)
def test_two_bad_lines_in_302(any_influx: AnyInflux, any_bucket: str, bad: list[bytes]) -> None:
    """Both are dead letters with the server's words, the rest is there, and it costs few requests."""
    any_influx.write(at("other v=1.5"), any_bucket)
    wire = Wire(any_influx, any_bucket)
    assert wire.take(mixed(good(300), bad)) is Ack.DONE
    assert wire.refused == sorted(bad)
    assert all(words for _, words in wire.rejects.kept)
    assert len(any_influx.lines(any_bucket)) == 301
    assert wire.counters.now().delivered == 300
    assert wire.sink.requests <= MOST_REQUESTS.get(any_influx.version, 40)


def test_lines_outside_the_retention(any_influx: AnyInflux) -> None:
    """They are counted as expired, none is a dead letter, and the others are there; Core takes all of them."""
    bucket = any_influx.new_bucket(retention_s=86_400)
    old = [line(number, NOW_NS - 2 * DAY_NS) for number in range(50)]
    wire = Wire(any_influx, bucket)
    assert wire.take(mixed(good(50), old)) is Ack.DONE
    counts = wire.counters.now()
    expired = 0 if any_influx.version in CORE else 50
    assert (counts.delivered, counts.rejected, counts.expired) == (100 - expired, 0, expired)
    assert len(any_influx.lines(bucket)) == 50
    assert wire.sink.requests <= 3


def test_a_wrong_secret(any_influx: AnyInflux, any_bucket: str) -> None:
    """Nothing is lost, the words say what to set, and with the right secret everything arrives."""
    wrong = {"influxdb_password": "wrong"} if any_influx.version.startswith("1.") else {"influxdb_token": "wrong"}
    wire = Wire(any_influx, any_bucket, **wrong)
    assert wire.take(good(3)) is Ack.HOLD
    [variable] = wrong
    assert variable.upper() in wire.message
    assert wire.sink.requests == 1
    assert wire.message.startswith(f"{TITLES[any_influx.version]} answered 401 ")
    assert Wire(any_influx, any_bucket).take(good(3)) is Ack.DONE
    assert len(any_influx.lines(any_bucket)) == 3


def test_a_bucket_that_is_not_there(any_influx: AnyInflux) -> None:
    """The words name the variable; Core makes the database, unless its name cannot be one."""
    wire = Wire(any_influx, "no/such/bucket" if any_influx.version in CORE else "no-such-bucket")
    assert wire.take(good(3)) is Ack.HOLD
    assert "INFLUXDB_BUCKET" in wire.message
    assert wire.refused == []


@pytest.mark.parametrize("good_lines", [8000, 0])
def test_thousands_of_conflicts(any_influx: AnyInflux, any_bucket: str, good_lines: int) -> None:
    """A third of the lines, or all, have another type: if the answer names lines or a field, few requests find them."""
    any_influx.write(at("other v=1.5"), any_bucket)
    scale = 100 if any_influx.version in NAMES_NONE else 1
    bad = [at('other v="text"', number) for number in range(4000 // scale)]
    wire = Wire(any_influx, any_bucket)
    assert wire.take(mixed(good(good_lines // scale), bad) if good_lines else bad) is Ack.DONE
    assert wire.refused == sorted(bad)
    assert len(any_influx.lines(any_bucket)) == 1 + good_lines // scale
    assert wire.sink.requests <= (5 * len(bad) if scale > 1 else 90)
