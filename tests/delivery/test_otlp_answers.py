"""What a receiver's answer means."""

import pytest

from otel_job_measure.delivery.influxdb.responses import Kind, Response, Verdict
from otel_job_measure.delivery.otlp.responses import is_success, judge_grpc, judge_http, judge_success

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (200, {"content-type": "application/x-protobuf"}, b"", True),
        (200, {"content-type": "Application/X-Protobuf; charset=x"}, b"x", True),
        (200, {}, b"", True),
        (204, {}, b"", True),
        (200, {}, b"x", False),
        (200, {"content-type": "text/html"}, b"<h1>Log in</h1>", False),
        (200, {"content-type": "text/plain"}, b"", False),
        (200, {"content-type": "application/json"}, b"{}", False),
        (201, {"content-type": "application/x-protobuf"}, b"", False),
        (202, {}, b"", False),
        (302, {}, b"", False),
    ],
)
def test_a_success_looks_like_one(status: int, headers: dict[str, str], body: bytes, *, expected: bool) -> None:
    """200 with the answer of a receiver, or with nothing, or 204; no login page, and nothing that is only queued."""
    assert is_success(Response(status=status, headers=headers, body=body)) is expected


def test_a_partial_success_is_no_success_for_some() -> None:
    """A receiver that rejects some says how many; one that only warns has them all."""
    assert judge_success(3, 0, "") == Verdict(kind=Kind.DELIVERED)
    warned = judge_success(3, 0, "old\nfield")
    assert (warned.kind, warned.message) == (Kind.DELIVERED, "the OTLP receiver took 3 records and says: old field")
    some = judge_success(3, 2, "too old")
    assert (some.kind, some.refused) == (Kind.PARTIAL, 2)
    assert some.message == "the OTLP receiver rejected 2 of 3 records, and does not say which: too old"


@pytest.mark.parametrize(
    ("status", "kind", "reached", "names"),
    [
        (200, Kind.RETRY, False, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (202, Kind.RETRY, False, "202 Accepted"),
        (301, Kind.HOLD, False, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (302, Kind.HOLD, False, "'/login'"),
        (400, Kind.HOLD, True, "receiver's own log"),
        (401, Kind.HOLD, True, "OTEL_EXPORTER_OTLP_HEADERS"),
        (403, Kind.HOLD, True, "OTEL_EXPORTER_OTLP_HEADERS"),
        (404, Kind.HOLD, True, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (405, Kind.HOLD, True, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (408, Kind.RETRY, True, "408"),
        (413, Kind.TOO_LARGE, True, "413"),
        (415, Kind.HOLD, True, "protobuf"),
        (429, Kind.RETRY, True, "429"),
        (500, Kind.RETRY, False, "500"),
        (502, Kind.RETRY, False, "502"),
        (503, Kind.RETRY, False, "503"),
        (599, Kind.RETRY, False, "599"),
    ],
)
def test_an_http_answer_that_is_none(status: int, kind: Kind, names: str, *, reached: bool) -> None:
    """A wrong setting holds the points and is named; a passing failure is tried again; nothing is dropped."""
    verdict = judge_http(Response(status=status, headers={"location": "/login?secret"}), "no", now_s=NOW_S)
    assert (verdict.kind, verdict.reached) == (kind, reached)
    assert names in verdict.message
    assert "secret" not in verdict.message


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30.0),
        ({"retry-after": "soon"}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_is_asked_for_is_kept(status: int, headers: dict[str, str], wait_s: float | None) -> None:
    """As a number of seconds or as a date."""
    assert judge_http(Response(status=status, headers=headers), "", now_s=NOW_S).wait_s == wait_s


@pytest.mark.parametrize(
    ("code", "details", "kind", "reached", "names"),
    [
        ("UNAVAILABLE", "over capacity", Kind.RETRY, False, "over capacity"),
        ("UNAVAILABLE", "Connection refused", Kind.RETRY, False, "refused"),
        ("UNAVAILABLE", "CERTIFICATE_VERIFY_FAILED", Kind.HOLD, False, "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ("UNAVAILABLE", "x is not in peer certificate", Kind.HOLD, False, "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ("UNAVAILABLE", "SSL routines WRONG_VERSION_NUMBER", Kind.HOLD, False, "begin with http://"),
        ("UNAVAILABLE", "Trying to connect an http1.x server", Kind.HOLD, False, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ("RESOURCE_EXHAUSTED", "quota", Kind.RETRY, True, "quota"),
        ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (5 vs. 4)", Kind.TOO_LARGE, True, "larger"),
        ("UNAUTHENTICATED", "", Kind.HOLD, True, "OTEL_EXPORTER_OTLP_HEADERS"),
        ("PERMISSION_DENIED", "", Kind.HOLD, True, "OTEL_EXPORTER_OTLP_HEADERS"),
        ("UNIMPLEMENTED", "unknown service", Kind.HOLD, True, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("UNIMPLEMENTED", 'Decompressor for grpc-encoding "gzip"', Kind.HOLD, True, "OTEL_EXPORTER_OTLP_COMPRESSION"),
        ("NOT_FOUND", "", Kind.HOLD, True, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("INVALID_ARGUMENT", "", Kind.HOLD, True, "receiver's own log"),
        ("INTERNAL", "", Kind.RETRY, False, "INTERNAL"),
        ("UNKNOWN", "", Kind.RETRY, False, "UNKNOWN"),
        ("CANCELLED", "", Kind.RETRY, False, "CANCELLED"),
        ("ABORTED", "", Kind.RETRY, True, "ABORTED"),
    ],
)
def test_a_grpc_status_that_is_not_ok(code: str, details: str, kind: Kind, names: str, *, reached: bool) -> None:
    """The same over gRPC."""
    verdict = judge_grpc(code, details, wait_s=3.0)
    assert (verdict.kind, verdict.reached) == (kind, reached)
    assert names in verdict.message
    assert verdict.wait_s == (3.0 if kind is Kind.RETRY else None)
