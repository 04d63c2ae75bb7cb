import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.delivery.backoff import Backoff
from otel_job_measure.delivery.consumer import EAGER, LAZY, MAX_BATCH, Consumer, Listed, Policy, Served
from otel_job_measure.journal.interfaces import Ack, Position, WriteResult
from tests.delivery.support import HOLD, RETRY, FakeSegment, ListSink, ManualClock, line, segment


def consumer_to(sink: ListSink, clock: ManualClock, policy: Policy = EAGER) -> Consumer:
    """Returns a consumer whose waits are as long as they may be."""
    return Consumer(sink, policy, clock=clock, backoff=Backoff(uniform=lambda _least, most: most))


def listed(*segments: FakeSegment) -> list[Listed]:
    """Returns segments as the rounds list them."""
    return [Listed(one, one.size()) for one in segments]


def settled(consumer: Consumer, listing: list[Listed]) -> int:
    """Serves one batch and returns the number of its points."""
    points: list[int] = []
    assert consumer.serve(listing, settled=points.append) is Served.DONE
    return sum(points)


def test_what_is_done_is_not_given_again() -> None:
    """A sink gets each byte once, and points that are appended later after it."""
    sink, clock = ListSink(), ManualClock()
    consumer = consumer_to(sink, clock)
    one = segment("a", line(1), line(2))
    assert settled(consumer, listed(one)) == 2
    assert consumer.serve(listed(one)) is Served.NOTHING
    one.data += line(3) + b"\n"
    assert settled(consumer, listed(one)) == 1
    assert sink.lines == [line(1), line(2), line(3)]


def test_what_a_sink_knows_from_before_is_not_given_again() -> None:
    """A sink that remembers how much of a segment it has is given the rest."""
    one = segment("a", line(1), line(2))
    sink = ListSink(positions={"a": one.data.index(line(2))})
    consumer_to(sink, ManualClock()).serve(listed(one))
    assert sink.lines == [line(2)]


def test_many_segments_go_in_one_batch() -> None:
    """Small segments are sent together, each in its own chunk."""
    sink = ListSink()
    consumer = consumer_to(sink, ManualClock())
    segments = [segment(f"s{number}", line(number)) for number in range(50)]
    assert settled(consumer, listed(*segments)) == 50
    assert [chunk.segment for chunk in sink.batches[0]] == [one.name for one in segments]


def test_a_batch_is_bounded() -> None:
    """A large segment goes in batches of whole lines that are at most 900 kB."""
    sink = ListSink()
    consumer = consumer_to(sink, ManualClock())
    one = segment("a", *(line(number) for number in range(30_000)))
    while consumer.serve(listed(one)) is not Served.NOTHING:
        pass
    sizes = [sum(len(chunk.data) for chunk in batch) for batch in sink.batches]
    assert len(sizes) == 3
    assert max(sizes) <= MAX_BATCH
    assert sink.lines == [line(number) for number in range(30_000)]


@given(answers=st.lists(st.sampled_from([RETRY, HOLD, WriteResult(ack=Ack.MORE)]), max_size=5))
def test_the_very_same_chunks_come_again(answers: list[WriteResult]) -> None:
    """Until a batch is done it comes again as it was, whatever is appended meanwhile."""
    sink, clock = ListSink(), ManualClock()
    sink.answers = list(answers)
    consumer = consumer_to(sink, clock)
    one = segment("a", line(1))
    for number in range(len(answers) + 1):
        consumer.serve(listed(one))
        one.data += line(number + 2) + b"\n"
    assert set(sink.batches) == {sink.batches[0]}
    assert sink.lines == [line(1)]


def test_chunks_of_a_segment_that_is_gone_are_forgotten() -> None:
    """Points that another process has shipped meanwhile are not sent again."""
    sink, clock = ListSink(), ManualClock()
    sink.answers = [RETRY]
    consumer = consumer_to(sink, clock)
    consumer.serve(listed(segment("a", line(1))), left=True)
    consumer.serve(listed(segment("b", line(2))), left=True)
    assert sink.lines == [line(2)]


def test_waits_grow_with_failures_and_end_with_success() -> None:
    """A sink that fails is tried later and later, and at once after it worked."""
    sink, clock = ListSink(), ManualClock()
    sink.answers = [RETRY, RETRY, RETRY]
    consumer = consumer_to(sink, clock)
    one = segment("a", line(1))
    waits: list[float | None] = []
    for _ in range(3):
        consumer.serve(listed(one))
        waits.append(consumer.wait_s(1))
        assert consumer.failing
        assert not consumer.is_open()
        clock.advance(60)
    consumer.serve(listed(one))
    assert waits == [0.5, 1.0, 2.0]
    assert not consumer.failing
    assert consumer.is_open()


def test_a_hold_lasts_a_minute_and_can_be_cut_short() -> None:
    """After a wrong setting, the next try is in a minute, or at a flush."""
    sink, clock = ListSink(), ManualClock()
    sink.answers = [HOLD]
    consumer = consumer_to(sink, clock)
    consumer.serve(listed(segment("a", line(1))))
    assert consumer.wait_s(1) == 60.0
    assert consumer.held
    consumer.try_now()
    assert consumer.is_open()


def test_what_a_server_asks_for_is_not_cut_short() -> None:
    """Retry-After holds for a flush too."""
    sink, clock = ListSink(), ManualClock()
    sink.answers = [WriteResult(ack=Ack.RETRY, wait_s=30.0)]
    consumer = consumer_to(sink, clock)
    consumer.serve(listed(segment("a", line(1))))
    consumer.try_now()
    assert consumer.wait_s(1) == 30.5


@pytest.mark.parametrize(("took_s", "linger_s"), [(0.001, 0.05), (0.1, 0.4), (5.0, 1.0)])
def test_a_busy_sink_lingers_as_answers_take_longer(took_s: float, linger_s: float) -> None:
    """After an answer the next batch waits, for longer where answers take longer, and never over a second."""
    sink, clock = ListSink(), ManualClock()
    sink.during = lambda: clock.advance(took_s)
    consumer = consumer_to(sink, clock)
    consumer.serve(listed(segment("a", line(1))))
    assert consumer.wait_s(1) == pytest.approx(linger_s)
    assert consumer.wait_s(1, hurry=True) == 0.0
    clock.advance(linger_s)
    assert consumer.wait_s(1) == 0.0


def test_a_full_batch_is_followed_at_once() -> None:
    """While there is more than a batch, nothing lingers."""
    consumer = consumer_to(ListSink(), ManualClock())
    consumer.serve(listed(segment("a", *(line(number) for number in range(20_000)))))
    assert consumer.wait_s(1) == 0.0


def test_comments_cause_no_linger_and_end_no_failure() -> None:
    """A sign of life is no point: what it needed no request for says nothing about the server."""
    sink, clock = ListSink(), ManualClock()
    consumer = consumer_to(sink, clock)
    assert settled(consumer, listed(segment("a"))) == 0
    assert consumer.wait_s(1) == 0.0


def test_a_lazy_sink_waits_for_a_mebibyte_or_a_minute() -> None:
    """The history is folded in when there is something to fold, or after a minute."""
    clock = ManualClock()
    consumer = consumer_to(ListSink(), clock, LAZY)
    assert consumer.wait_s(0) is None
    assert consumer.wait_s(100) == 60.0
    clock.advance(20)
    assert consumer.wait_s(200) == 40.0
    assert consumer.wait_s(2**20) == 0.0
    consumer.serve(listed(segment("a", line(1))))
    assert consumer.wait_s(100) == 60.0


def test_a_sink_that_raises_is_a_sink_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in a sink costs a wait and one log entry with its traceback a minute."""
    sink, clock = ListSink(), ManualClock()
    sink.answers = [ZeroDivisionError("oops"), ZeroDivisionError("oops")]
    consumer = consumer_to(sink, clock)
    one = segment("a", line(1))
    consumer.serve(listed(one))
    consumer.serve(listed(one))
    bugs = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in bugs] == ["list failed to write points"]
    assert settled(consumer, listed(one)) == 1


def test_a_sink_that_cannot_say_what_it_has_is_given_all(caplog: pytest.LogCaptureFixture) -> None:
    """A sink that fails to tell its position gets everything, which does no harm, and the bug is logged."""

    class Forgetful(ListSink):
        def committed_offset(self, segment: str) -> int:
            raise ZeroDivisionError("oops")

    sink = Forgetful()
    assert settled(consumer_to(sink, ManualClock()), listed(segment("a", line(1)))) == 1
    assert [record.getMessage() for record in caplog.records] == ["list failed to return its committed offset"]


def test_failures_are_logged_once_a_minute_and_so_is_their_end(caplog: pytest.LogCaptureFixture) -> None:
    """One warning when delivery begins to fail, one a minute after that, and one line when it works again."""
    caplog.set_level(logging.INFO)
    sink, clock = ListSink(), ManualClock()
    sink.always = HOLD
    consumer = consumer_to(sink, clock)
    one = segment("a", line(1))
    for _ in range(3):
        consumer.serve(listed(one))
        clock.advance(29)
    sink.always = WriteResult(ack=Ack.DONE)
    consumer.serve(listed(one))
    consumer.serve(listed(segment("b", line(2))))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "points wait for list: set something"),
        ("INFO", "points are delivered to list again"),
    ]


@pytest.mark.parametrize(("answer", "after_s"), [(RETRY, 60), (HOLD, 0)])
def test_a_lazy_sink_that_fails_is_logged_only_when_it_lasts(
    answer: WriteResult, after_s: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A history that others are at just now is no trouble; one that stays so for a minute, or needs a hand, is."""
    sink, clock = ListSink(), ManualClock()
    sink.always = answer
    consumer = consumer_to(sink, clock, LAZY)
    logged: list[int] = []
    for second in range(0, 61, 20):
        consumer.serve(listed(segment("a", line(1))))
        logged += [second] * len(caplog.records)
        caplog.clear()
        clock.advance(20)
    assert logged[:1] == [after_s]


def test_nothing_is_logged_while_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    """Delivery is silent at INFO."""
    caplog.set_level(logging.INFO)
    consumer_to(ListSink(), ManualClock()).serve(listed(segment("a", line(1))))
    assert not caplog.records


def test_a_mark_is_reached_when_all_before_it_is_there() -> None:
    """A mark needs the older segments whole and its own up to it."""
    old, new = segment("a", line(1)), segment("b", line(2), line(3), ordinal=1)
    middle = Position(1, new.data.index(line(3)))
    consumer = consumer_to(ListSink(positions={"a": old.size(), "b": middle.offset}), ManualClock())
    own = listed(old, new)
    assert consumer.reaches(Position(0, 0), [])
    assert consumer.reaches(middle, own)
    assert not consumer.reaches(Position(1, new.size()), own)
    assert not consumer.reaches(Position(2, 1), own)
    assert not consumer.reaches(middle, [])
    behind = consumer_to(ListSink(positions={"b": new.size()}), ManualClock())
    assert not behind.reaches(middle, own)


def test_the_oldest_point_that_waits_is_known() -> None:
    """The time of what could not be sent is that of its first point, comments aside."""
    sink, clock = ListSink(), ManualClock()
    consumer = consumer_to(sink, clock)
    assert consumer.oldest_ns() is None
    sink.always = RETRY
    consumer.serve(listed(segment("a", line(7, 1000), line(8, 1000))))
    assert consumer.oldest_ns() == 1007


def test_a_segment_that_cannot_be_read_is_not_asked_for_all_the_time() -> None:
    """A file that can't be opened right now is tried again in a second, and is never taken for delivered."""
    sink, clock = ListSink(), ManualClock()
    consumer = consumer_to(sink, clock)
    gone = segment("a", line(1))
    known = listed(gone)
    gone.deleted = True
    assert consumer.serve(known) is Served.NOTHING
    assert consumer.wait_s(1) == 1.0
    assert not consumer.has_all(known[0])
    assert not consumer.has_all(listed(gone)[0])


def test_segments_that_are_gone_are_forgotten() -> None:
    """Neither the consumer nor the sink keeps notes of segments that are no more."""
    sink = ListSink()
    consumer = consumer_to(sink, ManualClock())
    consumer.serve(listed(segment("a", line(1)), segment("b", line(2))))
    consumer.keep_only({"b"})
    consumer.keep_only({"b"})
    assert sink.forgotten == ["a"]


def test_what_is_settled_is_told_before_it_can_be_seen() -> None:
    """A flush on another thread must not return while the health still counts its points as pending."""
    seen: list[tuple[int, int]] = []
    one = segment("a", line(1), line(2))
    consumer = consumer_to(ListSink(), ManualClock())
    consumer.serve(listed(one), settled=lambda points: seen.append((points, consumer.committed_offset("a"))))
    assert seen == [(2, 0)]
    assert consumer.has_all(*listed(one))
