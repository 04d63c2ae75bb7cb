"""A batch of lines, and the search for the lines that a server refuses.

A batch is a stack of parts still to be sent. Each answer settles a part, takes lines out of it, or divides it. Settled
lines stay settled: an unfinished batch continues where it stopped, and no line is counted twice. Refused lines become
dead letters together, at the end.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from otel_job_measure.delivery.blame import conflicting_in, numbered_in, quoted_in, split
from otel_job_measure.delivery.doubts import Doubts, Part, Role
from otel_job_measure.delivery.influxdb.responses import Kind, Verdict
from otel_job_measure.delivery.lines import Points, time_of
from otel_job_measure.journal.counters import Counters

Post = Callable[[Sequence[bytes]], Verdict]
Reject = Callable[[bytes, str], None]

_MOST_REQUESTS: Final = 50  # of one go: the thread has other things to do in between
_ENOUGH_ALIKE: Final = 3
_LEAST_REMEMBERED: Final = 16 * 1024
_UNFINISHED: Final = Verdict(kind=Kind.MORE)


class SizeLimit:
    """The most bytes, before compression, that the server is known to accept at once."""

    __slots__ = ("bytes_",)

    def __init__(self, bytes_: int) -> None:
        self.bytes_ = bytes_

    def lower(self, refused: int) -> None:
        """Remembers that a body of so many bytes was too large, down to 16 KiB; smaller bodies are halved each time."""
        self.bytes_ = min(self.bytes_, max(refused // 2, _LEAST_REMEMBERED))


class Batch:
    """Lines to send, without newlines, and the state of each; `reject` keeps a refused line and never raises."""

    def __init__(self, lines: Sequence[bytes], *, counters: Counters, reject: Reject, limit: SizeLimit) -> None:
        self._todo: list[Part] = []
        self._doubts = Doubts(self._todo)
        self._refused: list[tuple[bytes, str]] = []
        self._names_lie = False
        self._same: Counter[tuple[object, str]] = Counter()
        self._counters = counters
        self._reject = reject
        self._limit = limit
        self.delivered = 0
        """The number of lines that the server has accepted."""
        self.extend(lines)

    def extend(self, lines: Sequence[bytes]) -> None:
        """Adds lines, which are sent first."""
        if lines:
            self._todo.append(Part(lines))

    def refuse(self, lines: Iterable[bytes], message: str) -> None:
        """Adds lines that are refused before they are sent."""
        self._refused += [(line, message) for line in lines]

    def run(self, post: Post, *, enough: Callable[[], bool]) -> Verdict:
        """Sends the lines that are not settled; returns DELIVERED, the answer that says to wait, MORE or REFUSED.

        MORE says that the request limit, or `enough`, ended this call: the batch can be run again at once. REFUSED says
        that the server refuses every line that is left, for a reason that only it knows.
        """
        requests = 0
        self._doubts.begin()
        while self._todo or self._doubts.confirm():
            part = self._next_part()
            if requests and (requests >= _MOST_REQUESTS or enough()):
                return _UNFINISHED
            requests += 1
            verdict = post(part.lines)
            if verdict.kind in (Kind.HOLD, Kind.RETRY):
                self._doubts.interrupt()
                return verdict
            self._todo.pop()
            if not self._settle(part, verdict):
                self._doubts.hold()
                return Verdict(kind=Kind.REFUSED, message=f"{verdict.message}; {verdict.advice}", server=verdict.server)
        self._give_up()
        return Verdict(kind=Kind.DELIVERED)

    def _next_part(self) -> Part:
        while len(lines := self._todo[-1].lines) > 1 and _size(lines) > self._limit.bytes_:
            self._todo.pop()
            self._halve(lines)
        return self._todo[-1]

    def _settle(self, part: Part, verdict: Verdict) -> bool:
        """Takes a part's lines on; returns False if nothing can be told about the lines that are left."""
        lines = part.lines
        if part.role is Role.WITNESS:
            settled = self._doubts.witnessed(accepted=verdict.kind is Kind.DELIVERED)
            if settled is not None:
                self._refused += settled
            return settled is not None
        if verdict.kind is Kind.UNKNOWN:
            return self._doubts.refused(part, verdict.message)
        if part.role is Role.AGAIN:
            self._doubts.clear(part)
        match verdict.kind:
            case Kind.LINES:
                self._without_blamed(part, verdict)
            case Kind.EXPIRED:
                self._without_expired(lines, verdict)
            case Kind.TOO_LARGE:
                if len(lines) > 1:
                    self._limit.lower(_size(lines))
                self._halve_or_refuse(lines, verdict.message)
            case Kind.PARTIAL:
                self._keep_all(lines, verdict)
            case _:
                self._names_lie = self._names_lie or part.role is Role.NAMED
                self._doubts.accepted(lines[0])
                self.delivered += len(lines)
                self._counters.delivered(len(lines))
        return True

    def _without_blamed(self, part: Part, verdict: Verdict) -> None:
        """Finds refused lines by quotations, then by numbers and named fields, then by halving."""
        lines, clues = part.lines, verdict.clues
        quoted = quoted_in(lines, clues.quoted)
        if quoted:
            self._again(line for line in lines if line not in quoted)
            self._refused += [(line, quoted[line]) for line in lines if line in quoted]
            return
        conflicting = conflicting_in(lines, clues.conflict)
        if len(lines) == 1 or clues.dropped == len(lines):
            self._refused += [(line, verdict.message) for line in lines]
            self._same.update((clues.conflict, measurement) for measurement in conflicting.values())
            return
        numbered = numbered_in(lines, clues)
        named = {} if self._names_lie else conflicting | numbered
        if 0 < len(named) < len(lines):
            # The named lines go first, and alone: whether the server means them shows in its answer to them.
            suspects, others = split(lines, named)
            self._todo += [Part(others), Part(suspects, Role.NAMED)]
        elif named and len(numbered) == len(lines):
            self._refused += [(line, numbered[at] or verdict.message) for at, line in enumerate(lines)]
        elif named and len(conflicting) == len(lines):
            self._without_same(lines, conflicting, verdict)
        else:
            self._halve(lines)

    def _without_same(self, lines: Sequence[bytes], measurements: Mapping[int, str], verdict: Verdict) -> None:
        """Refuses lines that all have the same conflict, once some of them were refused alone for it."""
        first = measurements[0]
        same, others = split(lines, [at for at, measurement in measurements.items() if measurement == first])
        if others:
            self._todo += [Part(others), Part(same)]
        elif self._same[verdict.clues.conflict, first] >= _ENOUGH_ALIKE:
            self._refused += [(line, verdict.message) for line in lines]
        else:
            middle = len(lines) // 2
            self._todo += [Part([*lines[:middle], *lines[middle + 1 :]]), Part([lines[middle]], Role.NAMED)]

    def _without_expired(self, lines: Sequence[bytes], verdict: Verdict) -> None:
        clues = verdict.clues
        kept = [line for line in lines if not _is_before(line, clues.bound_ns)]
        if len(kept) == len(lines) and (len(lines) == 1 or clues.dropped == len(lines)):
            kept = []  # the server can mean no others
        if len(kept) == len(lines):
            self._halve(lines)
            return
        self._counters.expired(len(lines) - len(kept))
        self._again(kept)

    def _keep_all(self, lines: Sequence[bytes], verdict: Verdict) -> None:
        """Keeps every line as a dead letter: a resend would double the accepted ones, and the refused are unknown."""
        refused = min(verdict.refused, len(lines))
        self.delivered += len(lines) - refused
        self._counters.delivered(len(lines) - refused)
        self._counters.rejected(refused)
        for line in lines:
            self._reject(line, verdict.message)

    def _halve_or_refuse(self, lines: Sequence[bytes], message: str) -> None:
        if len(lines) > 1:
            self._halve(lines)
        else:
            self._refused.append((lines[0], message))

    def _halve(self, lines: Sequence[bytes]) -> None:
        middle = len(lines) // 2
        self._todo += [Part(lines[middle:]), Part(lines[:middle])]  # the first half is sent first

    def _again(self, lines: Iterable[bytes]) -> None:
        self.extend(list(lines))

    def _give_up(self) -> None:
        self._counters.rejected(len(self._refused))
        for line, message in self._refused:
            self._reject(line, message)
        self._refused.clear()


def _size(lines: Sequence[bytes]) -> int:
    return len(lines.body) if isinstance(lines, Points) else sum(map(len, lines)) + len(lines)


def _is_before(line: bytes, bound_ns: int | None) -> bool:
    time_ns = time_of(line)
    return bound_ns is not None and time_ns is not None and time_ns < bound_ns
