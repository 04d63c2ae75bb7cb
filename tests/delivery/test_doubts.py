"""Batches against servers that refuse lines for reasons of their own, tell little about them, or tell lies."""

from collections.abc import Sequence
from enum import Enum
from math import log2

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from otel_job_measure.delivery.batch import Batch, SizeLimit
from otel_job_measure.delivery.influxdb.responses import Kind, Verdict
from otel_job_measure.delivery.influxdb.words import Clues, Conflict, Numbered
from otel_job_measure.journal.counters import Counters


class Tells(Enum):
    """What a server tells about the lines that it refuses."""

    NOTHING = "nothing"
    """Its words are unknown."""
    LINES = "lines"
    """Its words are about lines, it does not say which."""
    NUMBERS = "numbers"
    FIRST = "first"
    """The number of the first bad line."""
    CONFLICT = "conflict"
    WRONG_NUMBERS = "wrong numbers"
    """The numbers of other lines."""
    WRONG_FIELD = "wrong field"
    """A field that good lines have as well."""
    NONSENSE = "nonsense"
    """Numbers that no line has."""


class Server:
    """Refuses bad lines, keeps the others or none of them, and tells what it is made to tell."""

    def __init__(self, tells: Tells, *, partial: bool) -> None:
        self.tells = tells
        self.partial = partial
        self.fails = False
        """Whether it refuses everything, with unknown words."""
        self.breaks_at: int | None = None
        """The request with which it begins to refuse everything."""
        self.interruptions: list[Kind] = []
        self.stored: set[bytes] = set()
        self.requests = 0

    def post(self, lines: Sequence[bytes]) -> Verdict:
        self.requests += 1
        self.fails = self.fails or self.requests == self.breaks_at
        if self.interruptions:
            kind = self.interruptions.pop(0)
            if kind is not Kind.DELIVERED:
                return Verdict(kind=kind)
        if self.fails:
            return Verdict(kind=Kind.UNKNOWN, message="no")
        bad = [at for at, line in enumerate(lines) if line.startswith(b"bad")]
        if not bad or self.partial:
            self.stored |= {line for line in lines if not line.startswith(b"bad")}
        if not bad:
            return Verdict(kind=Kind.DELIVERED)
        if self.tells is Tells.NOTHING:
            return Verdict(kind=Kind.UNKNOWN, message="no")
        return Verdict(kind=Kind.LINES, message="no", clues=self._clues(bad, len(lines)))

    def _clues(self, bad: list[int], count: int) -> Clues:
        numbers = {
            Tells.NUMBERS: bad,
            Tells.FIRST: bad[:1],
            # Never all of them: a server that names each line as refused is believed.
            Tells.WRONG_NUMBERS: [at for at in range(count) if at not in bad][: count - 1],
            Tells.NONSENSE: [count, count + 7],
        }.get(self.tells, [])
        named = {
            Tells.CONFLICT: Conflict(name="w", measurement=None, type_="float"),
            Tells.WRONG_FIELD: Conflict(name="v", measurement=None, type_="float"),
        }.get(self.tells)
        return Clues(numbered={at + 1: Numbered() for at in numbers}, conflict=named)


class AnyServer(RuleBasedStateMachine):
    """Lines come, the server fails and recovers, the batch is run again and again."""

    @initialize(tells=st.sampled_from(Tells), partial=st.booleans())
    def begin(self, tells: Tells, partial: bool) -> None:  # noqa: FBT001 - Hypothesis gives it by name
        self.server = Server(tells, partial=partial)
        self.lines: list[bytes] = []
        self.rejected: list[bytes] = []
        self.batch = self.made([])

    def made(self, lines: list[bytes]) -> Batch:
        return Batch(
            lines,
            counters=Counters(),
            reject=lambda line, _words: self.rejected.append(line),
            limit=SizeLimit(10**9),
        )

    @rule(kinds=st.lists(st.sampled_from(["good", "good", "good", "bad"]), max_size=20))
    def come(self, kinds: list[str]) -> None:
        fields = {"good": "v=1", "bad": "v=1,w=1"}
        count = len(self.lines)
        new = [f"{kind}{count + at % 3} {fields[kind]} {count + at}".encode() for at, kind in enumerate(kinds)]
        self.lines += new
        self.batch.extend(new)

    @rule(fails=st.booleans())
    def change(self, fails: bool) -> None:  # noqa: FBT001 - the same
        self.server.fails = fails

    @rule(requests=st.integers(1, 40))
    def breaks(self, requests: int) -> None:
        self.server.breaks_at = self.server.requests + requests

    @rule(kinds=st.lists(st.sampled_from([Kind.DELIVERED, Kind.RETRY, Kind.HOLD]), max_size=5))
    def disturb(self, kinds: list[Kind]) -> None:
        self.server.interruptions = kinds

    @rule()
    def run(self) -> None:
        before = self.server.requests
        self.batch.run(self.server.post, enough=lambda: False)
        assert self.server.requests - before <= 50

    @invariant()
    def no_good_line_is_given_up(self) -> None:
        if hasattr(self, "lines"):
            assert all(line.startswith(b"bad") for line in self.rejected)
            assert len(set(self.rejected)) == len(self.rejected)

    def teardown(self) -> None:
        if not hasattr(self, "lines"):
            return
        self.server.fails, self.server.breaks_at, self.server.interruptions = False, None, []
        before = self.server.requests
        self.come(["good"])
        for _ in range(1000):
            if self.batch.run(self.server.post, enough=lambda: False).kind is Kind.DELIVERED:
                break
        bad = [line for line in self.lines if line.startswith(b"bad")]
        assert sorted(self.rejected) == sorted(bad)
        assert self.server.stored == set(self.lines) - set(bad)
        most = 12 + len(bad) * (8 + 2 * log2(len(self.lines)))
        assert self.server.requests - before <= most


TestAnyServer = AnyServer.TestCase
TestAnyServer.settings = settings(max_examples=300, stateful_step_count=12)
