"""What holds for the OTLP sink over HTTP and over gRPC alike."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from otel_job_measure.delivery.otlp.sink import OtlpSink
from otel_job_measure.errors import SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack
from otel_job_measure.settings import Settings
from tests.delivery.receivers import (
    ACCEPTED,
    PROTOBUF,
    SECRET,
    GrpcReceiver,
    GrpcReply,
    Sent,
    attributes_of,
    closing,
    http_receiver,
    otlp,
    partial,
    records_in,
    run_ids,
    status,
)
from tests.delivery.support import ListRejects, ManualClock, Reply, TinyServer, chunks_of, line, segment


@dataclass(frozen=True)
class Answers:
    """What a receiver answers, as its protocol says it."""

    accepted: Any
    refused: Callable[[], Any]
    too_large: Any
    some: Callable[[int, str], Any]
    unwanted: Any
    echo: Any


HTTP = Answers(
    ACCEPTED,
    lambda: Reply(503, PROTOBUF | {"Retry-After": "3"}, status("over capacity")),
    Reply(413),
    lambda rejected, words: Reply(200, PROTOBUF, partial(rejected, words)),
    Reply(401),
    Reply(500, {}, f"you sent Bearer {SECRET}".encode()),
)
GRPC = Answers(
    GrpcReply(),
    lambda: GrpcReply(
        "UNAVAILABLE", "over capacity", [("grpc-status-details-bin", status("over capacity", wait_s=3.0))]
    ),
    GrpcReply("RESOURCE_EXHAUSTED", "grpc: received message larger than max (5 vs. 4)"),
    lambda rejected, words: GrpcReply(body=partial(rejected, words)),
    GrpcReply("UNAUTHENTICATED"),
    GrpcReply("INTERNAL", f"you sent Bearer {SECRET}"),
)


@dataclass(frozen=True)
class Way:
    """One of the two protocols."""

    protocol: str
    receiver: Any
    answers: Answers

    def sent(self, **more: Any) -> Sent:  # noqa: ANN401 - arguments of Settings
        return Sent(otlp(self.receiver.url, self.protocol, **more))

    def bodies(self) -> list[bytes]:
        return [request.body for request in self.receiver.requests]


@pytest.fixture(params=["http/protobuf", "grpc"])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """A receiver for each of the two."""
    protocol: str = request.param
    receiver: GrpcReceiver | TinyServer = http_receiver() if protocol == "http/protobuf" else GrpcReceiver()
    for each in closing(receiver):
        yield Way(protocol, each, HTTP if protocol == "http/protobuf" else GRPC)


def test_lines_arrive_as_records(way: Way) -> None:
    """Each line as one, in their order, with the row's time; comments and blank lines are none."""
    sent = way.sent()
    assert sent.take(line(1), b"# alive 5", b"", line(2)).ack is Ack.DONE
    assert sent.counts() == (2, 0)
    assert sent.sink.reachable is True
    assert sent.sink.last_success_ns is not None
    [body] = way.bodies()
    records = records_in(body)
    assert run_ids(body) == [f"{number:012}" for number in (1, 2)]
    assert [record.time_unix_nano for record in records] == [1_800_000_000_000_000_000 + number for number in (1, 2)]
    assert [record.observed_time_unix_nano for record in records] == [record.time_unix_nano for record in records]
    assert {(each.event_name, each.severity_number, each.severity_text) for each in records} == {
        ("scheduling.job.start", 9, "INFO")
    }
    assert records[0].body.string_value == "j: start"
    assert attributes_of(records[0])["scheduling.job.measurement"] == "scheduling-job"
    sent.sink.close()


def test_a_run_row_has_its_trace(way: Way) -> None:
    """The trace context is that of the run, and numbers are numbers."""
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    ids = f'trace_id="{trace_id}",span_id="{span_id}"'
    row = f"scheduling-job-run,job=j,status=failed success=0,duration=1,n=2i,b=t,{ids} 7"
    assert way.sent().take(row.encode()).ack is Ack.DONE
    [record] = records_in(way.bodies()[0])
    assert (record.trace_id.hex(), record.span_id.hex(), record.flags) == (trace_id, span_id, 1)
    assert (record.event_name, record.severity_number) == ("scheduling.job.run", 17)
    kinds = {each.key: each.value.WhichOneof("value") for each in record.attributes}
    assert [kinds[f"scheduling.job.{name}"] for name in ("success", "duration", "n", "b", "trace_id")] == [
        "double_value",
        "double_value",
        "int_value",
        "bool_value",
        "string_value",
    ]


def test_comments_alone_need_no_request(way: Way) -> None:
    """A sign of life in a segment causes no request."""
    assert way.sent().take(b"# alive 5").ack is Ack.DONE
    assert way.bodies() == []


def test_an_answer_that_keeps_nothing_loses_nothing(way: Way) -> None:
    """What was not taken is kept, with the wait that was asked for, and is delivered when the receiver takes it."""
    sent = way.sent()
    way.receiver.replies = [way.answers.refused()]
    answer = sent.take()
    assert (answer.ack, answer.wait_s) == (Ack.RETRY, 3.0)
    assert "over capacity" in answer.message
    assert (sent.counts(), sent.sink.reachable, sent.sink.last_success_ns) == ((0, 0), False, None)
    assert sent.take().ack is Ack.DONE
    assert (sent.counts(), sent.sink.reachable) == ((1, 0), True)
    first, second = way.bodies()
    assert first == second
    sent.sink.close()


def test_what_somebody_has_to_set_is_held_with_its_name(way: Way) -> None:
    """A receiver that wants a key gets none from us; the lines stay where they are."""
    sent = way.sent()
    way.receiver.replies = [way.answers.unwanted]
    answer = sent.take()
    assert answer.ack is Ack.HOLD
    assert "OTEL_EXPORTER_OTLP_HEADERS" in answer.message
    assert sent.counts() == (0, 0)


def test_a_partial_success_is_counted_and_not_sent_again(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """The receiver would have the others twice; every line that may be one of them is kept, with its words."""
    sent = way.sent()
    way.receiver.replies = [way.answers.some(2, "too old")]
    assert sent.take(line(1), line(2), line(3)).ack is Ack.DONE
    assert sent.counts() == (1, 2)
    words = "the OTLP receiver rejected 2 of 3 records, and does not say which: too old"
    assert sent.rejects.kept == [(line(number), words) for number in (1, 2, 3)]
    assert caplog.text.count(words) == 1
    assert len(way.bodies()) == 1
    sent.sink.close()


def test_a_receiver_that_rejects_more_than_it_got_is_not_believed(way: Way) -> None:
    """No point counts twice."""
    sent = way.sent()
    way.receiver.replies = [way.answers.some(9, "")]
    assert sent.take(line(1), line(2)).ack is Ack.DONE
    assert sent.counts() == (0, 2)
    sent.sink.close()


def test_a_warning_is_told_once(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """A receiver that takes everything and has something to say is heard, not obeyed."""
    sent = way.sent()
    way.receiver.replies = [way.answers.some(0, "this is deprecated")] * 2
    assert [sent.take(line(number)).ack for number in (1, 2)] == [Ack.DONE] * 2
    assert sent.counts() == (2, 0)
    assert caplog.text.count("this is deprecated") == 1
    sent.sink.close()


def test_too_large_is_halved_and_remembered(way: Way) -> None:
    """Batches are sent in smaller parts then, also the next one; a single line that is too large is rejected."""
    sent = way.sent()
    way.receiver.replies = [way.answers.too_large]
    lines = [line(number) for number in range(1000)]
    assert sent.take(*lines).ack is Ack.DONE
    assert [len(records_in(body)) for body in way.bodies()] == [1000, 500, 500]
    assert sent.take(*lines).ack is Ack.DONE
    assert [len(records_in(body)) for body in way.bodies()[3:]] == [500, 500]
    way.receiver.replies = [way.answers.too_large]
    assert sent.take(line(1)).ack is Ack.DONE
    assert [kept for kept, _ in sent.rejects.kept] == [line(1)]
    sent.sink.close()


def test_a_line_that_is_none_is_rejected_and_the_others_go_on(way: Way) -> None:
    """What can't be made a record is kept with the reason, and no receiver is asked about it."""
    sent = way.sent()
    assert sent.take(line(1), b"bad", b"m,x=' f=1", line(2)).ack is Ack.DONE
    assert sent.counts() == (2, 2)
    assert [kept for kept, _ in sent.rejects.kept] == [b"bad", b"m,x=' f=1"]
    assert all("no point" in words or "no time" in words for _, words in sent.rejects.kept)
    assert len(way.bodies()) == 1
    sent.sink.close()


def test_lines_alone_that_are_none_say_nothing_of_the_receiver(way: Way) -> None:
    """A server that was not asked is neither reachable nor unreachable."""
    sent = way.sent()
    assert sent.take(b"bad").ack is Ack.DONE
    assert (sent.sink.reachable, sent.sink.last_success_ns, way.bodies()) == (None, None, [])


def test_a_secret_that_the_receiver_repeats_is_not_repeated(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """A receiver that echoes the request in its error puts no key into a log or an answer."""
    caplog.set_level(logging.DEBUG, "otel_job_measure")
    way.receiver.always = way.answers.echo
    answer = way.sent().take()
    assert "you sent Bearer ***" in answer.message
    assert SECRET not in answer.message + caplog.text


def test_a_batch_is_no_larger_than_receivers_take(way: Way) -> None:
    """As much as the shipper gives at once, in short rows or long ones, fits into messages of 4 MiB."""
    sent = way.sent()
    way.receiver.always = way.answers.accepted
    short = [line(number) for number in range(12_000)]
    tags = ",".join(f"t{number}=v" for number in range(16))
    long = [line(number).replace(b",job=", f",{tags},job=".encode()) for number in range(6_000)]
    for lines in (short, long):
        assert 850_000 < sum(map(len, lines)) < 1_000_000
        while sent.take(*lines).ack is not Ack.DONE:
            pass
    assert sent.counts() == (18_000, 0)
    assert max(map(len, way.bodies())) < 4 * 1024 * 1024
    sent.sink.close()


def test_a_write_with_a_deadline_is_one_request(way: Way) -> None:
    """With a deadline a batch in parts stops after each request, so that its caller can stop after a slow one."""
    clock = ManualClock()
    sent = Sent(otlp(way.receiver.url, way.protocol), clock=clock)
    way.receiver.replies = [way.answers.too_large]
    chunks = chunks_of(segment("a", *(line(number) for number in range(1000))))
    answer = sent.sink.write(chunks, deadline_ns=clock.monotonic_ns() + 60_000_000_000)
    assert (answer.ack, answer.wait_s, len(way.bodies())) == (Ack.MORE, None, 1)
    sent.sink.close()


def test_a_sink_needs_a_receiver() -> None:
    """Settings for InfluxDB, or for nothing, make none."""
    with pytest.raises(SettingsError, match="OTEL_JOB_MEASURE_SINK"):
        OtlpSink(Settings(), Counters(), ListRejects())
