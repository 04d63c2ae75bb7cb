"""Where points go."""

import hashlib

import pytest

from otel_job_measure.settings import Destination, Settings
from otel_job_measure.settings.destination import normalized
from tests.settings.support import SERVER, from_env, problems


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8086", "http://localhost:8086"),
        ("HTTP://LocalHost:8086/", "http://localhost:8086"),
        ("http://h:80", "http://h"),
        ("https://h:443//", "https://h"),
        ("https://h:80", "https://h:80"),
        ("http://h:08086", "http://h:8086"),
        ("https://h/Influx/", "https://h/Influx"),
        ("http://[::1]:8086", "http://[::1]:8086"),
        ("http://[0:0:0::0:1]", "http://[::1]"),
        ("http://[fe80::1%25eth0]", "http://[fe80::1%25eth0]"),
        ("http://my_influx-1.example.", "http://my_influx-1.example."),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        ("http://127.0.0.1", "http://127.0.0.1"),
    ],
)
def test_a_url_has_one_spelling(url: str, expected: str) -> None:
    """Two ways to write one server are one destination."""
    found = Settings.from_env(SERVER | {"INFLUXDB_URL": url})
    assert found.influxdb_url == expected
    assert normalized(expected) == expected


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8086",
        "localhost",
        "//localhost",
        "ftp://localhost",
        "http:/localhost",
        "http:localhost",
        "http://",
        "http://:8086",
        "http:///path",
        "http://h:0",
        "http://h:65536",
        "http://h:port",
        "http://h:-1",
        "http://[::1",
        "http://[::g]",
        "http://[v1.a]",
        "http://[v1.a:b]",
        "http://a b",
        "http://a\\b",
        "http://a\tb",
        "http://a\nb",
        "http://-h",
        "http://h-",
        "http://h<>",
        "http://h/a<b",
        "http://" + "ü" * 70,
        "http://h/api/v2",
        "http://h/api/v2/write",
        "http://h/write",
        "http://h?org=o",
        "http://h?",
        "http://h#f",
    ],
)
def test_a_wrong_url_is_one_clear_error(url: str) -> None:
    """It names the variable and the argument, and what a URL looks like; it shows no more than a plain address."""
    (line,) = problems(SERVER | {"INFLUXDB_URL": url})
    assert line.startswith("INFLUXDB_URL (argument influxdb_url): got ")
    assert "http://localhost:8086" in line
    assert ("not shown" in line) == (line.split(": got ")[1][0] != "'")
    (line,) = problems(SERVER | {"OTEL_JOB_MEASURE_INFLUXDB_URL": url})
    assert line.startswith("OTEL_JOB_MEASURE_INFLUXDB_URL (argument influxdb_url): got ")


def test_a_destination_is_known_by_its_id() -> None:
    """A hash of URL, organization and bucket; the label is for people, and neither holds the token."""
    found = Settings.from_env(SERVER | {"INFLUXDB_URL": "HTTP://LOCALHOST:8086/"}).destination
    assert found == Destination(url="http://localhost:8086", org="my org", bucket="jobs")
    assert found is not None
    assert found.id == hashlib.sha256(b"http://localhost:8086\nmy org\njobs").hexdigest()[:12]
    assert found.label == "http://localhost:8086 org=my org bucket=jobs"
    assert Settings.from_env(SERVER, influxdb_token="another").destination_id == found.id
    others = [{"influxdb_url": "http://h"}, {"influxdb_org": "o"}, {"influxdb_bucket": "b"}]
    assert len({from_env(SERVER, **other).destination_id for other in others} | {found.id}) == 4
