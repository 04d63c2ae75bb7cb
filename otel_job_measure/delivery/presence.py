"""The rows that no journal has: what runs now, and how complete the sender's rows are.

They are made at the moment of sending and sent in one attempt; one that fails is forgotten. So no sign of life is ever
late: after an outage, only those of the present arrive.
"""

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.delivery.backoff import Uniform
from otel_job_measure.delivery.completeness import Completeness, Word
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.journal.vitals import OpenStart, Vitals
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.points.monitor import Alive, Sender
from otel_job_measure.points.monitor_rows import line_of

if TYPE_CHECKING:
    from otel_job_measure.delivery.expected_rows import ExpectedRows

_WORD_S: Final = 60.0
"""How often a sender speaks at least."""
_FIRST_WORD_S: Final = 15.0
"""When it speaks first: of a machine that is gone 20 s after its first start, a reader knows that it gave signs."""


class Teller(Protocol):
    """Where the rows go."""

    def tell(self, lines: Sequence[bytes], *, deadline_ns: int | None = None) -> bool:
        """Sends lines that no journal has, in one attempt; returns whether the server has them."""
        ...


class Presence:
    """Says what runs and how complete the server's rows are, every `heartbeat_s` seconds and at the end."""

    def __init__(  # noqa: PLR0913 - the parts of one machine
        self,
        teller: Teller,
        vitals: Vitals,
        *,
        host: str,
        heartbeat_s: float,
        clock: Clock,
        expected: "Sequence[ExpectedRows]" = (),
        uniform: Uniform | None = None,
    ) -> None:
        self.vitals = vitals
        self._expected = expected
        self.completeness = Completeness(speaks_for_all=vitals.speaks_for_all)
        self._teller = teller
        self._host = host
        self._heartbeat_s = heartbeat_s
        self._clock = clock
        # Random, so that processes that began together do not speak together for ever.
        early = (uniform or random.SystemRandom().uniform)(0.5, 1.0)
        self._alive_ns = self._after(early * heartbeat_s)
        self._word_ns = self._after(early * min(_FIRST_WORD_S, self._word_s))

    def wait_s(self) -> float:
        """Returns the seconds until something is to be said."""
        return max(0.0, (min(self._alive_ns, self._word_ns) - self._clock.monotonic_ns()) / 1e9)

    def speak(self, *, can_be_heard: bool) -> None:
        """Says what is due, or lets it go by while the server cannot be reached."""
        now_ns = self._clock.monotonic_ns()
        lines: list[bytes] = []
        if now_ns >= self._word_ns:
            self._word_ns = self._after(self._word_s)
            lines.append(self._said(self.completeness.word(), left=False))
        if now_ns >= self._alive_ns:
            self._alive_ns = self._after(self._heartbeat_s)
            starts = self.vitals.open_runs() if can_be_heard else ()
            lines += [line_of(row) for row in alive_rows(starts, self._clock.wall_ns(), self._heartbeat_s)]
        if lines and can_be_heard and self._teller.tell(lines):
            self._tell_expected()

    def leave(self, deadline_ns: int) -> None:
        """Says that this sender ends in order, so that its silence means nothing."""
        if self._teller.tell([self._said(self.completeness.word(is_last=True), left=True)], deadline_ns=deadline_ns):
            self._tell_expected(deadline_ns)

    def _tell_expected(self, deadline_ns: int | None = None) -> None:
        for rows in self._expected:
            lines = rows.due()
            if lines and self._teller.tell(lines, deadline_ns=deadline_ns):
                rows.note_told()

    @property
    def _word_s(self) -> float:
        return min(_WORD_S, self._heartbeat_s)

    def _said(self, word: Word, *, left: bool) -> bytes:
        at_ns = self._clock.wall_ns() // 1000 * 1000 + self.vitals.slot()
        return line_of(
            Sender(host=self._host, at_ns=at_ns, complete_until_ns=word.until_ns, pending=word.pending, left=left)
        )

    def _after(self, seconds: float) -> int:
        return self._clock.monotonic_ns() + int(seconds * 1e9)


def alive_rows(starts: Sequence[OpenStart], now_ns: int, interval_s: float) -> Iterator[Alive]:
    """Yields the signs of life of the runs that have been open for at least an interval; no two have one time."""
    for number, start in enumerate(starts):
        try:
            point = parse(start.line)
            at_ns = (now_ns // 1000 + number) * 1000 + start.slot
            # Exact, because readers compute the run's start from it, to the nanosecond.
            age_s = (at_ns - (point.time_ns or at_ns)) / 1e9
            if age_s >= interval_s:
                yield Alive(
                    tags=point.tags,
                    at_ns=at_ns,
                    uuid=str(point.fields[names.FIELD_UUID]),
                    host=start.host,
                    age_s=age_s,
                    interval_s=float(interval_s),
                )
        except (LineProtocolError, KeyError):  # another program has written into the segment
            continue
