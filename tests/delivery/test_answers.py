import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.delivery.influxdb.responses import Kind, Response, judge, short

NOW_S = 1_800_000_000.0
PARTIAL = "failure writing points to database: partial write: "


def response(status: int, message: str = "", **headers: str) -> Response:
    """Returns an answer with a message in JSON, as InfluxDB gives it."""
    body = json.dumps({"code": "c", "message": message}).encode() if message else b""
    return Response(status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}, body=body)


def retention(bound: str) -> str:
    """Returns the server's words on points that are older than a bound."""
    violates = f"dropped because it violates a Retention Policy Lower Bound at {bound}"
    return (
        f"{PARTIAL}dropped 3 points outside retention policy of duration 1h0m0s"
        f" - oldest point a at 2026-11-24T00:24:21Z {violates}, newest point a at 2026-11-24T00:24:21Z {violates}"
        " dropped=3 for database: x"
    )


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (response(204), Kind.DELIVERED, ""),
        (Response(status=200, body=b"<html><title>Log in</title></html>"), Kind.RETRY, "200 OK: Log in"),
        (response(201), Kind.RETRY, "201"),
        (response(202), Kind.RETRY, "202"),
        (response(400, "unable to parse 'x': missing fields"), Kind.LINES, "missing fields"),
        (response(400, "line protocol parsing error"), Kind.LINES, "400"),  # 3.11
        (response(400, "Please provide either orgID or org"), Kind.HOLD, "INFLUXDB_ORG"),
        (response(400, "invalid precision; valid precision units are ns"), Kind.HOLD, "INFLUXDB_URL"),
        (
            Response(status=400, body=b"Client sent an HTTP request to an HTTPS server.\n"),
            Kind.HOLD,
            "INFLUXDB_URL begin with https://",
        ),
        (response(401, "unauthorized access"), Kind.HOLD, "INFLUXDB_TOKEN"),
        (response(403, "insufficient permissions for write"), Kind.HOLD, "write to INFLUXDB_BUCKET"),
        (response(404, 'bucket "org" not found'), Kind.HOLD, "INFLUXDB_BUCKET"),
        (response(404, 'organization name "bucket" not found'), Kind.HOLD, "INFLUXDB_ORG"),
        (Response(status=404, body=b"no assets included in binary"), Kind.HOLD, "set INFLUXDB_URL"),
        (response(405), Kind.HOLD, "set INFLUXDB_URL"),
        (response(302, location="https://u:p@sso.example/in?token=x"), Kind.HOLD, "https://sso.example/in"),
        (response(307, location="http://["), Kind.HOLD, "redirects, here to ''"),
        (response(308), Kind.HOLD, "INFLUXDB_URL to the server itself"),
        (response(413), Kind.TOO_LARGE, "413"),
        (response(422, f"{PARTIAL}field type conflict: input field x dropped=1"), Kind.LINES, "type conflict"),
        (response(422, retention("2026-11-24T00:24:22Z")), Kind.EXPIRED, "retention"),
        (response(407), Kind.RETRY, "407"),
        (response(408), Kind.RETRY, "408"),
        (response(429), Kind.RETRY, "429"),
        (response(500, "An internal error has occurred"), Kind.RETRY, "internal error"),
        (response(503), Kind.RETRY, "503 Service Unavailable"),
        (response(599), Kind.RETRY, "answered 599"),
    ],
)
def test_each_answer_means_what_the_table_says(answer: Response, kind: Kind, says: str) -> None:
    """Every row of the table of answers, with the words that a log needs."""
    verdict = judge(answer, now_s=NOW_S)
    assert verdict.kind is kind
    assert says in verdict.message


@given(status=st.integers(100, 999), body=st.binary(max_size=200))
def test_nothing_but_204_is_delivered(status: int, body: bytes) -> None:
    """No other status counts as delivered, whatever the body holds, and no body is too strange to be judged."""
    verdict = judge(Response(status=status, body=body), now_s=NOW_S)
    assert (verdict.kind is Kind.DELIVERED) == (status == 204)
    assert "\n" not in verdict.message


def test_each_blamed_line_comes_with_its_reason() -> None:
    """Every line that the body quotes is found, also one with quotes and colons of its own."""
    message = "unable to parse 'a': missing fields\nunable to parse 'b 'so': x': invalid field format"
    assert judge(response(400, message), now_s=NOW_S).clues.quoted == (
        "a': missing fields",
        "b 'so': x': invalid field format",
    )


@pytest.mark.parametrize(
    ("bound", "expected_ns"),
    [
        ("2026-11-24T00:24:22.751746779Z", 1795479862751746779),
        ("2026-11-24T00:24:22.75Z", 1795479862750000000),
        ("2026-11-24T00:24:22Z", 1795479862000000000),
        ("2026-11-24T01:24:22.000000001+01:00", 1795479862000000001),
        ("2026-99-24T00:24:22Z", None),
        ("yesterday", None),
    ],
)
def test_the_bound_of_the_retention_is_exact(bound: str, expected_ns: int | None) -> None:
    """The bound is read to the nanosecond, since the server is exact to it; one that can't be read is none."""
    verdict = judge(response(422, retention(bound)), now_s=NOW_S)
    assert (verdict.kind, verdict.clues.bound_ns) == (Kind.EXPIRED, expected_ns)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 120 "}, 120.0),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "²"}, None),
        ({}, None),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW_S + 30, UTC), usegmt=True)}, 30.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW_S - 30, UTC), usegmt=True)}, None),
        ({"retry-after": "Mon, 99 Nov 2026 00:00:00 GMT"}, None),
        (
            {
                "retry-after": format_datetime(datetime.fromtimestamp(5030, UTC), usegmt=True),
                "date": format_datetime(datetime.fromtimestamp(5000, UTC), usegmt=True),
            },
            30.0,
        ),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], wait_s: float | None) -> None:
    """How long the server asks to wait is understood in both forms, by its own clock where it tells the time."""
    assert judge(Response(status=503, headers=headers), now_s=NOW_S).wait_s == wait_s


@pytest.mark.parametrize(("status", "reached"), [(204, True), (401, True), (429, True), (302, False), (502, False)])
def test_an_answer_says_whether_the_server_was_reached(status: int, *, reached: bool) -> None:
    """A proxy's answers are no sign that the server is there."""
    assert judge(Response(status=status), now_s=NOW_S).reached is reached


def test_words_are_one_short_line() -> None:
    """A page of HTML ends up in a log as its text, short and on one line."""
    page = "<html>\n<style>body {}</style><h1>Bad</h1>\t<p>gate\x00way</p>" + "x" * 1000
    assert short(page).startswith("Bad gate\N{REPLACEMENT CHARACTER}way xxx")
    assert len(short(page)) == 301
