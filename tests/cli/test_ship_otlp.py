"""`otel-job-measure ship`, and the other commands, with a receiver of OTLP."""

import logging
import os
import subprocess
from collections.abc import Iterator

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import main
from otel_job_measure.runtime import pipeline
from tests.delivery.receivers import PROTOBUF, attributes_of, closing, http_receiver, partial, records_in
from tests.delivery.support import Reply, TinyServer
from tests.runtime.support import run, there, variables
from tests.support.exec_ import COMMAND

ONCE = ["ship", "--once", "--env-file", os.devnull]


@pytest.fixture(autouse=True)
def _nothing_made_yet() -> Iterator[None]:
    """A process in which no `JobMeasure` was made, and whose log is as pytest has it."""
    root = logging.getLogger()
    before = root.level
    yield
    root.setLevel(before)
    while pipeline._pipelines:
        pipeline._pipelines.popitem()[1].close(0)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyServer]:
    """A receiver that takes everything; the environment names it."""
    for made in closing(http_receiver()):
        monkeypatch.setenv("OTEL_JOB_MEASURE_SINK", "otlp")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        yield made


def jobs(receiver: TinyServer) -> list[object]:
    """Returns the job of each record that came."""
    records = [record for request in receiver.requests for record in records_in(request.body)]
    return [attributes_of(record)["scheduling.job.name"] for record in records]


def left(measure: JobMeasure, job: str) -> None:
    """Leaves a run of a process that only appends, and is gone."""
    run(measure, job)
    measure.close(5)


def test_what_others_wrote_is_sent(receiver: TinyServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Of those that name the receiver, and of those that name nothing; each once."""
    left(JobMeasure(ship=False), "named")
    left(JobMeasure(ship=False, sink="influxdb"), "any")
    assert main(ONCE) == 0
    assert capsys.readouterr().out == "6 points accepted, 0 rejected, 0 expired\n"
    assert sorted(map(str, jobs(receiver))) == ["any"] * 3 + ["named"] * 3
    assert main(ONCE) == 0
    assert len(receiver.requests) == 1


def test_what_a_receiver_rejects_is_told(receiver: TinyServer, capsys: pytest.CaptureFixture[str]) -> None:
    """The counts are the receiver's own."""
    left(JobMeasure(ship=False), "named")
    receiver.replies = [Reply(200, PROTOBUF, partial(2, "too old"))]
    assert main(ONCE) == 0
    assert capsys.readouterr().out == "1 points accepted, 2 rejected, 0 expired\n"
    assert main(ONCE) == 0
    assert len(receiver.requests) == 1


def test_what_is_not_taken_is_told_and_kept(receiver: TinyServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A 4xx ends the command with 1, and the next one sends everything."""
    left(JobMeasure(ship=False), "named")
    receiver.replies = [Reply(400, {}, b"no")]
    assert main(ONCE) == 1
    said = capsys.readouterr()
    assert said.out == "0 points accepted, 0 rejected, 0 expired\n"
    assert "bytes could not be sent and wait" in said.err
    receiver.requests.clear()
    assert main(ONCE) == 0
    assert jobs(receiver) == ["named"] * 3


def test_redirect_goes_from_one_sink_to_the_other(
    receiver: TinyServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for an InfluxDB that is gone goes to the receiver, and the other way round."""
    left(JobMeasure(**there("http://gone.example", sink="influxdb", ship=False)), "from influxdb")
    assert main(ONCE) == 0
    told = capsys.readouterr().err
    assert "wait for http://gone.example org=o bucket=b;" in told
    assert main([*ONCE, "--redirect"]) == 0
    assert jobs(receiver) == ["from influxdb"] * 3
    left(JobMeasure(ship=False), "from otlp")
    monkeypatch.delenv("OTEL_JOB_MEASURE_SINK")
    for server in closing(TinyServer()):
        for name, value in variables(server.url).items():
            monkeypatch.setenv(name, value)
        assert main(ONCE) == 0
        assert f"wait for {receiver.url}/v1/logs (http/protobuf);" in capsys.readouterr().err
        assert main([*ONCE, "--redirect"]) == 0
        assert b"".join(line for request in server.requests for line in request.lines).count(rb"from\ otlp") == 3


def test_a_wrong_setting_is_one_line(
    receiver: TinyServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the variable, and nothing is sent."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    assert main(ONCE) == 1
    told = capsys.readouterr().err
    assert told.startswith("otel-job-measure: OTEL_EXPORTER_OTLP_PROTOCOL (argument otlp_protocol): got 'http/json'")


@pytest.mark.usefixtures("long_ends")
def test_exec_sends_to_the_receiver(receiver: TinyServer) -> None:
    """A command's rows arrive as records, beside its span where the endpoint gets those too."""
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    command = [*COMMAND, "exec", "--env-file", os.devnull, "nightly", "--", "sh", "-c", "exit 3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert jobs(receiver) == ["nightly"] * 3
    assert {request.path for request in receiver.requests} == {"/v1/logs"}


def test_the_demo_says_where_it_sent(receiver: TinyServer, capsys: pytest.CaptureFixture[str]) -> None:
    """The endpoint, and that it has accepted what ran; the span of a command goes to the same receiver's traces."""
    assert main(["demo", "--ship"]) == 0
    assert f"{receiver.url}/v1/logs (http/protobuf)\nhas accepted " in capsys.readouterr().out
    assert {request.path for request in receiver.requests} == {"/v1/logs", "/v1/traces"}


def test_what_a_receiver_rejected_can_be_sent_again(receiver: TinyServer, capsys: pytest.CaptureFixture[str]) -> None:
    """All lines of the request are kept, and sent again only by `rejected --retry`."""
    left(JobMeasure(ship=False), "named")
    receiver.replies = [Reply(200, PROTOBUF, partial(2, "too old"))]
    assert main(ONCE) == 0
    capsys.readouterr()
    assert main(["rejected", "--retry", "--env-file", os.devnull]) == 0
    assert capsys.readouterr().out.startswith("3 lines are queued")
    assert main(ONCE) == 0
    assert jobs(receiver) == ["named"] * 6
