from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.delivery.batch import Batch, SizeLimit
from otel_job_measure.delivery.influxdb.responses import Kind, Verdict
from otel_job_measure.delivery.influxdb.words import Clues
from otel_job_measure.delivery.lines import body_of, first_point, points_of, time_of
from otel_job_measure.journal.counters import Counters

BOUND_NS = 1000
GOOD, OLD, BAD, HIDDEN, CONFLICT = "good", "old", "bad", "hidden", "conflict"


def never() -> bool:
    """Says that there is time."""
    return False


def made(kind: str, number: int) -> bytes:
    """Returns a line that the model of a server below treats as its kind says."""
    time_ns = number if kind == OLD else BOUND_NS + number
    return f"{kind}{number} v=1 {time_ns}".encode()


@dataclass
class Server:
    """Answers as InfluxDB does, by the table of facts."""

    most_bytes: int = 10**9
    interruptions: list[Kind] = field(default_factory=list[Kind])
    stored: set[bytes] = field(default_factory=set[bytes])
    requests: int = 0

    def post(self, lines: Sequence[bytes]) -> Verdict:
        self.requests += 1
        if self.interruptions:
            kind = self.interruptions.pop(0)
            if kind is not Kind.DELIVERED:
                return Verdict(kind=kind)
        if sum(map(len, lines)) + len(lines) > self.most_bytes:
            return Verdict(kind=Kind.TOO_LARGE)
        unparsable = [line for line in lines if line.startswith((b"bad", b"hidden"))]
        if unparsable:
            quoted = [line.decode() + "': no field" for line in unparsable if not line.startswith(b"hidden")]
            return Verdict(kind=Kind.LINES, clues=Clues(quoted=tuple(quoted) or ("something else': x",)))
        conflicts = {line for line in lines if line.startswith(b"conflict")}
        old = {line for line in lines if line.startswith(b"old")}
        self.stored |= set(lines) - conflicts - old
        if conflicts:
            return Verdict(kind=Kind.LINES, message="type conflict")
        if old:
            return Verdict(kind=Kind.EXPIRED, clues=Clues(bound_ns=BOUND_NS))
        return Verdict(kind=Kind.DELIVERED)


class Run:
    """A batch and all that it tells."""

    def __init__(self, lines: Sequence[bytes], limit: int = 10**9) -> None:
        self.counters = Counters()
        self.rejected: list[tuple[bytes, str]] = []
        self.limit = SizeLimit(limit)
        self.batch = Batch(
            lines,
            counters=self.counters,
            reject=lambda line, words: self.rejected.append((line, words)),
            limit=self.limit,
        )

    def until_settled(self, server: Server) -> None:
        for _ in range(2000):
            if self.batch.run(server.post, enough=never).kind is Kind.DELIVERED:
                return
        pytest.fail("the batch is never settled")


kinds = st.lists(st.sampled_from([GOOD, GOOD, GOOD, OLD, BAD, HIDDEN, CONFLICT]), max_size=40)
interruptions = st.lists(st.sampled_from([Kind.DELIVERED, Kind.DELIVERED, Kind.RETRY, Kind.HOLD]), max_size=20)


@given(kinds=kinds, interruptions=interruptions, most_bytes=st.integers(20, 2000))
def test_every_line_comes_to_rest_once(kinds: list[str], interruptions: list[Kind], most_bytes: int) -> None:
    """Whatever is wrong with lines, and however often it is interrupted, each is settled once, and rightly."""
    lines = [made(kind, number) for number, kind in enumerate(kinds)]
    server = Server(most_bytes=most_bytes, interruptions=interruptions)
    run = Run(lines)
    run.until_settled(server)
    good = {made(kind, number) for number, kind in enumerate(kinds) if kind == GOOD}
    wrong = sorted(made(kind, number) for number, kind in enumerate(kinds) if kind in (BAD, HIDDEN, CONFLICT))
    counts = run.counters.now()
    assert server.stored == good
    assert sorted(line for line, _ in run.rejected) == wrong
    assert (counts.delivered, counts.rejected, counts.expired) == (len(good), len(wrong), kinds.count(OLD))
    assert run.batch.delivered == len(good)


def test_all_blamed_lines_go_at_once() -> None:
    """However many lines are unreadable, the server names them all: two requests are enough."""
    lines = [made(BAD if number % 2 else GOOD, number) for number in range(100)]
    server, run = Server(), Run(lines)
    run.until_settled(server)
    assert server.requests == 2
    assert run.rejected[0] == (made(BAD, 1), "no field")


def test_expired_lines_go_at_once() -> None:
    """The bound in the body tells which lines are too old: two requests, not one a line."""
    lines = [made(OLD if number < 500 else GOOD, number) for number in range(1000)]
    server, run = Server(), Run(lines)
    run.until_settled(server)
    assert server.requests == 2
    assert run.counters.now().expired == 500


def test_one_conflict_costs_a_walk_down() -> None:
    """One culprit that the server doesn't name is found by halving, in about twice the logarithm."""
    lines = [made(CONFLICT if number == 700 else GOOD, number) for number in range(1024)]
    server, run = Server(), Run(lines)
    run.until_settled(server)
    assert server.requests == 21
    assert run.rejected == [(made(CONFLICT, 700), "type conflict")]


def test_a_retention_without_a_bound_is_found_by_halving() -> None:
    """Where the body doesn't say how old is too old, halving finds what is."""
    lines = [made(OLD if number == 3 else GOOD, number) for number in range(8)]
    server, run = Server(), Run(lines)

    def post(chunk: Sequence[bytes]) -> Verdict:
        verdict = server.post(chunk)
        return Verdict(kind=verdict.kind) if verdict.kind is Kind.EXPIRED else verdict

    assert run.batch.run(post, enough=never).kind is Kind.DELIVERED
    counts = run.counters.now()
    assert (counts.delivered, counts.expired) == (7, 1)


def test_the_size_that_was_too_large_is_remembered() -> None:
    """After one 413 later batches are sent in parts that are small enough from the start."""
    lines = [made(GOOD, number) * 50 for number in range(1000, 1100)]
    server = Server(most_bytes=40_000)
    run = Run(lines)
    run.until_settled(server)
    assert run.limit.bytes_ < 40_000
    before = server.requests
    again = Batch(lines, counters=run.counters, reject=lambda _line, _words: None, limit=run.limit)
    assert again.run(server.post, enough=never).kind is Kind.DELIVERED
    assert server.requests - before == 4
    assert run.counters.now().rejected == 0


def test_a_single_line_that_is_too_large_is_rejected_without_lowering_the_limit() -> None:
    """One giant must not make every later request small."""
    run = Run([made(GOOD, 1) * 100_000])
    run.until_settled(Server(most_bytes=1000))
    assert run.limit.bytes_ == 10**9
    assert run.counters.now().rejected == 1


def test_a_go_is_bounded() -> None:
    """After fifty requests, or when the time is over, a batch asks to be run again, at once and without a failure."""
    lines = [made(CONFLICT, number) for number in range(200)]
    server, run = Server(), Run(lines)
    verdict = run.batch.run(server.post, enough=never)
    assert (verdict.kind, server.requests) == (Kind.MORE, 50)
    run.batch.run(server.post, enough=lambda: True)
    assert server.requests == 51
    run.until_settled(server)
    assert run.counters.now().rejected == 200


def test_nothing_is_asked_for_nothing() -> None:
    """A batch without points is settled without a request."""
    server = Server()
    assert Run([]).batch.run(server.post, enough=never).kind is Kind.DELIVERED
    assert server.requests == 0


def test_comments_and_blank_lines_are_no_points() -> None:
    """What isn't a point is neither sent nor counted."""
    data = b"# header\na v=1 1\n\n  \n# alive 5\nb v=1 2\n"
    assert list(points_of([data])) == [b"a v=1 1", b"b v=1 2"]
    assert first_point(data) == b"a v=1 1"
    assert first_point(b"# only\n\n# comments") is None


@given(
    datas=st.lists(
        st.lists(st.sampled_from([b"# c", b"", b" ", b"\t\r", b"a v=1 1", b" b v=1 2", b"c#d v=1 3", b"\x00"])).map(
            lambda lines: b"".join(line + b"\n" for line in lines)
        )
    )
)
def test_points_stay_in_their_bytes_until_they_are_asked_for(datas: list[bytes]) -> None:
    """However comments, blank lines and points are mixed, the body is the points, and so are its lines."""
    lines = b"".join(datas).split(b"\n")
    expected = [line for line in lines if line.strip() and not line.startswith(b"#")]
    points = points_of(datas)
    assert (len(points), body_of(points)) == (len(expected), b"".join(line + b"\n" for line in expected))
    assert list(points) == expected
    assert len(points) == len(expected)
    assert body_of(points[1:3]) == b"\n".join(expected[1:3]) + b"\n"


def test_a_time_is_the_last_word() -> None:
    """Spaces in fields don't hide a point's time, and a point without one has none."""
    assert time_of(b'a v="x 1" 17') == 17
    assert time_of(b"a v=1") is None
