"""What HTTP has of its own, for the OTLP sink."""

import gzip
import os

import pytest

from otel_job_measure.journal.interfaces import Ack
from tests.delivery.receivers import ACCEPTED, PROTOBUF, SECRET, Sent, http_receiver, otlp, run_ids
from tests.delivery.support import CA_FILE, SERVER_PEM, Reply, TinyServer, chunks_of, line, segment
from tests.delivery.test_influx_ways import closed_port, raw_server


def test_a_request_is_what_the_standard_says(http: TinyServer) -> None:
    """Path, headers and compression; our own name, unless another was set."""
    sent = Sent(otlp(http.url, otlp_compression="gzip"))
    assert sent.take().ack is Ack.DONE
    [request] = http.requests
    assert request.path == "/v1/logs"
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["content-encoding"] == "gzip"
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert headers["user-agent"] == "otel-job-measure"
    sent.sink.close()


def test_headers_and_compression_can_be_set(http: TinyServer) -> None:
    """What the user sets goes before what we would say, but for what the body is."""
    headers = "user-agent=theirs,content-type=text/plain"
    sent = Sent(otlp(http.url, otlp_headers=headers))
    assert sent.take().ack is Ack.DONE
    found = {name.lower(): value for name, value in http.requests[0].headers.items()}
    assert (found["user-agent"], found["content-type"]) == ("theirs", "application/x-protobuf")
    assert "content-encoding" not in found
    sent.sink.close()


@pytest.mark.parametrize(
    ("reply", "taken", "names"),
    [
        (Reply(200, {"Content-Type": "text/html"}, b"<h1>Please log in</h1>"), Ack.RETRY, "but not in OTLP"),
        (Reply(200, PROTOBUF, b"\xff\xff"), Ack.RETRY, "but not in OTLP"),
        (Reply(302, {"Location": "/login"}), Ack.HOLD, "'/login'"),
        (Reply(429, {"Retry-After": "17"}, gzip.compress(b"")), Ack.RETRY, "429"),
        (Reply(404, {}, b"page not found"), Ack.HOLD, "page not found"),
        (Reply(500, {}, b"\xff\xfe not text"), Ack.RETRY, "500"),
    ],
)
def test_what_is_no_success_loses_nothing(http: TinyServer, reply: Reply, taken: Ack, names: str) -> None:
    """Login pages, proxies and other servers don't get to say that records were taken."""
    sent = Sent(otlp(http.url))
    http.replies = [reply]
    answer = sent.take()
    assert answer.ack is taken
    assert names in answer.message
    assert sent.counts() == (0, 0)
    assert sent.take().ack is Ack.DONE
    assert sent.counts() == (1, 0)
    sent.sink.close()


@pytest.mark.parametrize("reply", [Reply(204), Reply(200, {}, b"")])
def test_receivers_that_answer_with_nothing_have_said_yes(http: TinyServer, reply: Reply) -> None:
    """Some do, and would be sent the same records for ever."""
    sent = Sent(otlp(http.url))
    http.always = reply
    assert [sent.take(line(number)).ack for number in (1, 2)] == [Ack.DONE] * 2
    assert len({request.port for request in http.requests}) == 1
    sent.sink.close()


def test_no_redirect_is_followed(http: TinyServer) -> None:
    """A login page elsewhere never gets the records or the key."""
    other = http_receiver()
    http.replies = [Reply(307, {"Location": f"{other.url}/v1/logs"})]
    answer = Sent(otlp(http.url)).take()
    assert answer.ack is Ack.HOLD
    assert other.requests == []
    other.close()


def test_an_endless_answer_is_read_no_further_than_needed(http: TinyServer) -> None:
    """A page of many megabytes is judged by its beginning, and the next request works."""
    sent = Sent(otlp(http.url))
    http.replies = [Reply(503, {}, b"x" * 6_000_000)]
    assert [sent.take().ack for _ in range(2)] == [Ack.RETRY, Ack.DONE]
    sent.sink.close()


def test_nobody_at_the_door() -> None:
    """A refused connection is waited for, with the address in words."""
    url = f"http://127.0.0.1:{closed_port()}"
    sent = Sent(otlp(url))
    answer = sent.take()
    assert (answer.ack, answer.message) == (Ack.RETRY, f"no answer from {url}/v1/logs: Connection refused")
    assert sent.sink.reachable is False


def test_silence_costs_one_time_out_of_its_own() -> None:
    """The standard's time-out goes before ours."""
    with raw_server(None) as url:
        answer = Sent(otlp(url, otlp_timeout_s=0.2, timeout_s=50)).take()
    assert (answer.ack, answer.message) == (Ack.RETRY, f"no answer from {url}/v1/logs within 0.2 s")


def test_a_certificate_that_nobody_trusts_is_held(http_tls: TinyServer) -> None:
    """A TLS error tells which variables to look at."""
    answer = Sent(otlp(http_tls.url)).take()
    assert answer.ack is Ack.HOLD
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in answer.message
    assert http_tls.requests == []


@pytest.mark.parametrize("argument", ["otlp_certificate", "ca_file"])
def test_a_certificate_of_a_file_is_trusted(http_tls: TinyServer, argument: str) -> None:
    """The standard's variable, or ours for every server; our own certificate can be shown besides."""
    shown = {"otlp_client_certificate": SERVER_PEM, "otlp_client_key": SERVER_PEM}
    sent = Sent(otlp(http_tls.url, "http/protobuf", **{argument: CA_FILE}, **shown))
    assert sent.take().ack is Ack.DONE
    sent.sink.close()


def test_a_proxy_carries_the_request(http: TinyServer) -> None:
    """With its user and password in the header that is meant for them."""
    sent = Sent(otlp("http://collector.example:4318", proxy=http.url.replace("//", "//u%40x:p%3Aw@")))
    assert sent.take().ack is Ack.DONE
    [request] = http.requests
    assert request.path == "http://collector.example:4318/v1/logs"
    assert request.headers["proxy-authorization"] == "Basic dUB4OnA6dw=="
    sent.sink.close()


def test_a_child_of_fork_has_connections_of_its_own(http: TinyServer) -> None:
    """After a fork parent and child both deliver, each over its own connection."""
    http.always = ACCEPTED
    sent = Sent(otlp(http.url))
    assert sent.take(line(1)).ack is Ack.DONE
    child = os.fork()
    if child == 0:
        done = sent.sink.write(chunks_of(segment("b", line(2)))).ack is Ack.DONE
        sent.sink.close()
        os._exit(0 if done else 1)
    assert sent.sink.write(chunks_of(segment("c", line(3)))).ack is Ack.DONE
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    sent.sink.close()
    ports = {str(run_ids(request.body)[0]): request.port for request in http.requests}
    assert ports[f"{1:012}"] == ports[f"{3:012}"] != ports[f"{2:012}"]
