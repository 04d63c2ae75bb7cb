"""Whole `JobMeasure`s that send their runs to a receiver of OTLP."""

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.runtime import pipeline
from otel_job_measure.settings import Arguments
from tests.delivery.receivers import (
    PROTOBUF,
    SECRET,
    GrpcReceiver,
    GrpcReply,
    attributes_of,
    closing,
    http_receiver,
    partial,
    records_in,
)
from tests.delivery.support import Reply, TinyServer
from tests.runtime.support import DEAD, history, run, said, segments, stays
from tests.support.processes import until


@pytest.fixture(params=["http/protobuf", "grpc"])
def receiver(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A receiver for each of the protocols."""
    made: TinyServer | GrpcReceiver = http_receiver() if request.param == "http/protobuf" else GrpcReceiver()
    yield from closing(made)


def sending(receiver: TinyServer | GrpcReceiver, **more: Unpack[Arguments]) -> JobMeasure:
    """Returns one that delivers to a receiver."""
    headers = f"authorization=Bearer%20{SECRET}"
    known: Arguments = {
        "sink": "otlp",
        "otlp_endpoint": receiver.url,
        "otlp_protocol": "grpc" if isinstance(receiver, GrpcReceiver) else "http/protobuf",
        "otlp_headers": headers,
    }
    arguments: Arguments = {**known, **more}
    return JobMeasure(**arguments)


def rows(receiver: TinyServer | GrpcReceiver) -> list[tuple[object, object]]:
    """Returns measurement and status of all rows that came, in their order."""
    found = [attributes_of(record) for request in receiver.requests for record in records_in(request.body)]
    return [(each["scheduling.job.measurement"], each["scheduling.job.status"]) for each in found]


START, END = ("scheduling-job", "start"), ("scheduling-job", "end")
RUN = ("scheduling-job-run", "end")


def test_a_start_arrives_while_its_job_runs(receiver: Any) -> None:  # noqa: ANN401 - either of two
    """Then the end; flush is true when the receiver has said that it has them, and health tells how many."""
    measure = sending(receiver)
    with measure.run("nightly"):
        assert measure.flush(30)
        assert rows(receiver) == [START]
    assert measure.flush(30)
    assert rows(receiver) == [START, RUN, END]
    health = measure.health()
    assert (health.reachable, health.delivered, health.pending, health.rejected) == (True, 3, 0, 0)
    assert health.last_success is not None
    assert measure.close()


def test_what_a_receiver_does_not_take_waits(
    receiver: Any,  # noqa: ANN401 - the same
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It stays in the journal while the receiver refuses, and comes when it does not any more."""
    monkeypatch.setattr(pipeline, "dies_with_process", stays)  # the first answer ends its last attempt
    refused: Any = GrpcReply("UNAUTHENTICATED") if isinstance(receiver, GrpcReceiver) else Reply(401)
    accepted, receiver.always = receiver.always, refused
    measure = sending(receiver)
    run(measure, "nightly")
    assert not measure.flush(0.2)
    until(lambda: measure.health().reachable, "an answer")
    health = measure.health()
    assert (health.delivered, health.pending) == (0, 3)
    assert segments(state_dir) != []
    assert not measure.close(60)  # no request is under way any more
    receiver.always = accepted
    receiver.requests.clear()
    run(measure, "nightly")
    assert measure.close(30)
    assert sorted(rows(receiver)) == sorted([START, RUN, END] * 2)
    assert segments(state_dir) == []
    assert history(state_dir) == [("nightly", "end", None)] * 2


def test_a_receiver_that_is_down_is_known_to_be(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the sink and what came; no key is in it."""
    caplog.set_level(logging.DEBUG, "otel_job_measure")
    measure = JobMeasure(sink="otlp", otlp_endpoint=DEAD, otlp_headers=f"authorization={SECRET}")
    run(measure, "nightly")
    assert not measure.flush(0.2)
    until(lambda: measure.health().reachable is False and said(caplog), "a refused connection")
    assert said(caplog)[0] == f"points wait for otlp: no answer from {DEAD}/v1/logs: Connection refused"
    assert SECRET not in caplog.text + repr(measure)
    measure.close(0)


def test_a_start_can_be_confirmed(receiver: Any) -> None:  # noqa: ANN401 - the same
    """With `CONFIRM_START=server` a job begins when the receiver has said that it has the start."""
    measure = sending(receiver, confirm_start="server", confirm_timeout_s=30)
    with measure.run("nightly"):
        assert rows(receiver) == [START]

    async def job() -> list[tuple[object, object]]:
        async with measure.run("nightly"):
            return rows(receiver)

    assert asyncio.run(job()).count(START) == 2
    assert measure.close(30)


def test_a_job_does_not_wait_for_a_receiver_that_is_down() -> None:
    """The first one waits as long as was set, those after it not at all."""
    measure = JobMeasure(sink="otlp", otlp_endpoint=DEAD, confirm_start="server", confirm_timeout_s=30)
    began_s = time.monotonic()
    for _ in range(3):
        run(measure, "nightly")
    assert time.monotonic() - began_s < 30
    assert measure.health().reachable is False
    measure.close(0)


def test_a_partial_success_is_in_health_and_in_the_folder_of_the_rejected(
    receiver: Any,  # noqa: ANN401 - the same
    state_dir: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Refused records are counted. The receiver does not name them, so all lines of the request are kept."""
    body = partial(1, "too old")
    reply: Any = GrpcReply(body=body) if isinstance(receiver, GrpcReceiver) else Reply(200, PROTOBUF, body)
    receiver.replies = [reply]
    measure = sending(receiver)
    with measure.run("nightly"):
        assert measure.flush(30)
    assert measure.close(30)
    health = measure.health()
    assert (health.rejected, health.delivered) == (1, 2)
    [file] = (state_dir / "rejected").iterdir()
    _header, comment, line = file.read_text().splitlines()
    words = "the OTLP receiver rejected 1 of 1 records, and does not say which: too old"
    assert comment.endswith(f"Z {words}")
    assert 'status="start"' in line
    assert any(words in message for message in said(caplog))


def test_jobs_of_two_sinks_share_a_state_directory(receiver: Any, server: TinyServer, state_dir: Path) -> None:  # noqa: ANN401 - the same
    """Each gets its own, in lines or in records; the history has them all."""
    influx = JobMeasure(influxdb_url=server.url, influxdb_token="t", influxdb_org="o", influxdb_bucket="b")
    otlp = sending(receiver)
    run(influx, "there")
    run(otlp, "here")
    assert (influx.close(30), otlp.close(30)) == (True, True)
    assert rows(receiver) == [START, RUN, END]
    assert len([line for request in server.requests for line in request.lines]) == 3
    assert [job for job, _, _ in history(state_dir)] == ["here", "there"]
