"""What gRPC has of its own, for the OTLP sink."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otel_job_measure.journal.interfaces import Ack
from tests.delivery.receivers import SECRET, GrpcReceiver, GrpcReply, Sent, otlp, run_ids
from tests.delivery.support import CA_FILE, SERVER_PEM, TinyServer, line
from tests.delivery.test_influx_ways import closed_port, raw_server
from tests.support.uncovered import uncovered

ROOT = Path(__file__).parents[2]
# A receiver of its own process: one in this would be of the processes that use gRPC.
FORKING = """
import os, sys
from otel_job_measure.journal.interfaces import Ack
from tests.delivery.receivers import Sent, otlp
from tests.delivery.support import line

before, url = sys.argv[1] == "before", sys.argv[2]
sent = Sent(otlp(url, "grpc"))
if before:
    assert sent.take(line(1)).ack is Ack.DONE
child = os.fork()
if child == 0:
    answer = sent.take(line(2))
    print(answer.ack.name, answer.message, flush=True)
    sent.sink.close()
    sys.exit(7)  # the interpreter's own way out must not hang either
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert sent.take(line(3)).ack is Ack.DONE
sent.sink.close()
"""


def test_a_request_is_what_the_standard_says(grpc: GrpcReceiver) -> None:
    """Headers are metadata; our own name; over one connection, as long as that works."""
    sent = Sent(otlp(grpc.url, "grpc"))
    assert [sent.take(line(number)).ack for number in (1, 2)] == [Ack.DONE] * 2
    metadata = grpc.requests[0].metadata
    assert metadata["authorization"] == f"Bearer {SECRET}"
    assert str(metadata["user-agent"]).startswith("otel-job-measure ")
    assert len({request.peer for request in grpc.requests}) == 1
    sent.sink.close()


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compression_can_be_set(grpc: GrpcReceiver, compression: str) -> None:
    """Compressed or not, the receiver reads the same."""
    sent = Sent(otlp(grpc.url, "grpc", otlp_compression=compression))
    assert sent.take(line(1)).ack is Ack.DONE
    assert run_ids(grpc.requests[0].body) == [f"{1:012}"]
    sent.sink.close()


def test_each_attempt_after_a_failure_is_one(grpc: GrpcReceiver) -> None:
    """The channel neither tries again by itself nor waits before it connects again."""
    sent = Sent(otlp(grpc.url, "grpc"))
    grpc.replies = [GrpcReply("UNAVAILABLE"), GrpcReply("ABORTED"), GrpcReply("DATA_LOSS")]
    taken = [sent.take().ack for _ in range(4)]
    assert taken == [Ack.RETRY, Ack.RETRY, Ack.RETRY, Ack.DONE]
    assert len(grpc.requests) == 4
    sent.sink.close()


def test_a_receiver_that_was_down_is_found_at_the_next_attempt() -> None:
    """No back-off of gRPC's own stands between the shipper and a receiver that is up again."""
    receiver = GrpcReceiver()
    sent = Sent(otlp(receiver.url, "grpc"))
    receiver.close()
    answers = [sent.take() for _ in range(5)]
    assert {answer.ack for answer in answers} == {Ack.RETRY}
    assert "Connection refused" in answers[-1].message
    assert sent.sink.reachable is False
    again = GrpcReceiver(port=receiver.port)
    assert sent.take().ack is Ack.DONE
    sent.sink.close()
    again.close()


def test_an_answer_that_is_no_message_is_no_success(grpc: GrpcReceiver) -> None:
    """Whatever it is, it has not said that it took the records."""
    sent = Sent(otlp(grpc.url, "grpc"))
    grpc.replies = [GrpcReply(body=b"\xff\xff")]
    assert [sent.take().ack for _ in range(2)] == [Ack.RETRY, Ack.DONE]
    sent.sink.close()


def test_a_wait_without_a_retry_info_is_ours(grpc: GrpcReceiver) -> None:
    """Details that can't be read, or that ask for nothing, are none."""
    sent = Sent(otlp(grpc.url, "grpc"))
    for details in (b"\xff\xff", b""):
        grpc.replies = [GrpcReply("UNAVAILABLE", "no", [("grpc-status-details-bin", details)])]
        answer = sent.take()
        assert (answer.ack, answer.wait_s) == (Ack.RETRY, None)
    sent.sink.close()


def test_silence_costs_one_time_out(grpc: GrpcReceiver) -> None:
    """A receiver that takes a request and says nothing is waited for no longer than was set."""
    grpc.silent = threading.Event()
    sent = Sent(otlp(grpc.url, "grpc", otlp_timeout_s=0.5, timeout_s=50))
    answer = sent.take()
    assert (answer.ack, answer.message) == (Ack.RETRY, f"no answer from {grpc.url} within 0.5 s")
    sent.sink.close()


def test_nobody_at_the_door() -> None:
    """A refused connection and a name without an address are waited for."""
    for host in (f"127.0.0.1:{closed_port()}", "no-such-host.invalid:4317"):
        sent = Sent(otlp(f"http://{host}", "grpc"))
        answer = sent.take()
        assert answer.ack is Ack.RETRY
        assert host.partition(":")[0] in answer.message
        sent.sink.close()


def test_a_server_that_speaks_something_else_loses_nothing(http: TinyServer) -> None:
    """A port of HTTP/1 and a connection that ends are no success."""
    sent = Sent(otlp(http.url, "grpc"))
    assert sent.take().ack in (Ack.RETRY, Ack.HOLD)
    with raw_server(b"SSH-2.0-OpenSSH\r\n") as url:
        assert Sent(otlp(url, "grpc")).take().ack in (Ack.RETRY, Ack.HOLD)
    assert sent.counts() == (0, 0)
    sent.sink.close()


def test_a_certificate_that_nobody_trusts_is_held(grpc_tls: GrpcReceiver) -> None:
    """A TLS error tells which variables to look at."""
    answer = Sent(otlp(grpc_tls.url, "grpc")).take()
    assert answer.ack is Ack.HOLD
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in answer.message
    assert grpc_tls.requests == []


@pytest.mark.parametrize("argument", ["otlp_certificate", "ca_file"])
def test_a_certificate_of_a_file_is_trusted(grpc_tls: GrpcReceiver, argument: str) -> None:
    """The standard's variable, or ours for every server; our own certificate can be shown besides."""
    shown = {"otlp_client_certificate": SERVER_PEM, "otlp_client_key": SERVER_PEM}
    sent = Sent(otlp(grpc_tls.url, "grpc", **{argument: CA_FILE}, **shown))
    assert sent.take().ack is Ack.DONE
    sent.sink.close()


def test_a_certificate_file_that_is_gone_is_waited_for(grpc_tls: GrpcReceiver, tmp_path: Path) -> None:
    """It may be replaced at this moment."""
    file = tmp_path / "ca.pem"
    file.write_bytes(CA_FILE.read_bytes())
    sent = Sent(otlp(grpc_tls.url, "grpc", otlp_certificate=file))
    file.unlink()
    answer = sent.take()
    assert answer.ack is Ack.HOLD
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in answer.message
    file.write_bytes(CA_FILE.read_bytes())
    assert sent.take().ack is Ack.DONE
    sent.sink.close()


def test_tls_to_a_receiver_without_is_held(grpc: GrpcReceiver) -> None:
    """The message for an https address of a receiver without TLS names the setting."""
    answer = Sent(otlp(grpc.url.replace("http:", "https:"), "grpc")).take()
    assert answer.ack is Ack.HOLD
    assert "OTEL_EXPORTER_OTLP_ENDPOINT begin with http://" in answer.message


def test_a_proxy_is_asked_and_no_other(http: TinyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was set, with its user and password, else a standard variable, unless NO_PROXY says no."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:1")
    receiver = GrpcReceiver()
    assert Sent(otlp(receiver.url, "grpc")).take().ack is Ack.RETRY
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    assert Sent(otlp(receiver.url, "grpc")).take().ack is Ack.DONE
    receiver.close()
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    assert "http/protobuf" in Sent(otlp("http://c.example:4317", "grpc")).take().message
    with raw_server(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n") as proxy:
        answer = Sent(otlp("http://c.example:4317", "grpc", proxy=proxy.replace("//", "//user:pass@"))).take()
    assert answer.ack is Ack.RETRY
    assert "pass" not in answer.message
    assert "403" in answer.message


@pytest.mark.parametrize("before", [True, False], ids=["used before", "not used before"])
def test_a_child_of_a_process_that_uses_grpc_leaves_it_alone(grpc: GrpcReceiver, *, before: bool) -> None:
    """A child could hang in it for ever: its points wait, with a message. A fork before gRPC has no such child."""
    command = [sys.executable, "-c", FORKING, "before" if before else "after", grpc.url]
    done = subprocess.run(command, cwd=ROOT, env=uncovered(), capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    if before:
        assert done.stdout.startswith("HOLD gRPC cannot be used in a process that was forked")
        assert "http/protobuf" in done.stdout
    else:
        assert done.stdout == "DONE \n"
    arrived = [run_ids(request.body)[0] for request in grpc.requests]
    assert arrived == [f"{number:012}" for number in ((1, 3) if before else (2, 3))]
