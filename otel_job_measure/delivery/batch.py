"""A batch of lines, and the halving that finds the lines a server refuses.

A batch is a stack of parts still to be sent. Each answer settles a part, takes lines out of it, or halves it. Settled
lines stay settled: an unfinished batch continues where it stopped, and no line is counted twice.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from otel_job_measure.delivery.influxdb.responses import Kind, Verdict
from otel_job_measure.delivery.lines import Points, time_of
from otel_job_measure.journal.counters import Counters

Post = Callable[[Sequence[bytes]], Verdict]
Reject = Callable[[bytes, str], None]

_MOST_REQUESTS: Final = 50  # of one go: the thread has other things to do in between
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
        self._todo: list[Sequence[bytes]] = [lines] if lines else []
        self._counters = counters
        self._reject = reject
        self._limit = limit
        self.delivered = 0
        """The number of lines that the server has accepted."""

    def run(self, post: Post, *, enough: Callable[[], bool]) -> Verdict:
        """Sends the lines that are not settled; returns DELIVERED, the answer that says to wait, or MORE.

        MORE says that the request limit, or `enough`, ended this call: the batch can be run again at once.
        """
        requests = 0
        while self._todo:
            chunk = self._next_chunk()
            if requests and (requests >= _MOST_REQUESTS or enough()):
                return _UNFINISHED
            requests += 1
            verdict = post(chunk)
            if verdict.kind in (Kind.HOLD, Kind.RETRY):
                return verdict
            self._todo.pop()
            self._settle(chunk, verdict)
        return Verdict(kind=Kind.DELIVERED)

    def _next_chunk(self) -> Sequence[bytes]:
        while len(chunk := self._todo[-1]) > 1 and _size(chunk) > self._limit.bytes_:
            self._todo.pop()
            self._halve(chunk)
        return chunk

    def _settle(self, chunk: Sequence[bytes], verdict: Verdict) -> None:
        match verdict.kind:
            case Kind.UNPARSABLE:
                self._without_blamed(chunk, verdict)
            case Kind.EXPIRED:
                self._without_expired(chunk, verdict)
            case Kind.REFUSED | Kind.TOO_LARGE:
                if verdict.kind is Kind.TOO_LARGE and len(chunk) > 1:
                    self._limit.lower(_size(chunk))
                self._halve_or_reject(chunk, verdict.message)
            case Kind.PARTIAL:
                self._keep_all(chunk, verdict)
            case _:
                self.delivered += len(chunk)
                self._counters.delivered(len(chunk))

    def _without_blamed(self, chunk: Sequence[bytes], verdict: Verdict) -> None:
        blamed = _find_blamed(chunk, verdict.blamed)
        if not blamed:
            self._halve_or_reject(chunk, verdict.message)
            return
        self._again(line for line in chunk if line not in blamed)
        for line in chunk:
            if line in blamed:
                self._give_up(line, blamed[line])

    def _without_expired(self, chunk: Sequence[bytes], verdict: Verdict) -> None:
        kept = [line for line in chunk if not _is_before(line, verdict.bound_ns)]
        if len(kept) == len(chunk) == 1:
            kept = []  # it is the only line that the server can mean
        if len(kept) == len(chunk):
            self._halve(chunk)
            return
        self._counters.expired(len(chunk) - len(kept))
        self._again(kept)

    def _keep_all(self, chunk: Sequence[bytes], verdict: Verdict) -> None:
        """Keeps every line as a dead letter: a resend would double the accepted ones, and the refused are unknown."""
        refused = min(verdict.refused, len(chunk))
        self.delivered += len(chunk) - refused
        self._counters.delivered(len(chunk) - refused)
        self._counters.rejected(refused)
        for line in chunk:
            self._reject(line, verdict.message)

    def _halve_or_reject(self, chunk: Sequence[bytes], message: str) -> None:
        if len(chunk) > 1:
            self._halve(chunk)
        else:
            self._give_up(chunk[0], message)

    def _halve(self, chunk: Sequence[bytes]) -> None:
        middle = len(chunk) // 2
        self._todo += [chunk[middle:], chunk[:middle]]  # the first half is sent first

    def _again(self, lines: Iterable[bytes]) -> None:
        rest = list(lines)
        if rest:
            self._todo.append(rest)

    def _give_up(self, line: bytes, message: str) -> None:
        self._counters.rejected(1)
        self._reject(line, message)


def _size(lines: Sequence[bytes]) -> int:
    return len(lines.body) if isinstance(lines, Points) else sum(map(len, lines)) + len(lines)


def _is_before(line: bytes, bound_ns: int | None) -> bool:
    time_ns = time_of(line)
    return bound_ns is not None and time_ns is not None and time_ns < bound_ns


def _find_blamed(lines: Sequence[bytes], entries: Sequence[str]) -> dict[bytes, str]:
    """Returns the lines that the server quoted, each with the server's reason."""
    by_text = {line.decode(errors="replace"): line for line in lines}
    found: dict[bytes, str] = {}
    for entry in entries:
        # A line may hold the very characters that end the quotation: the right end is the one that gives a line.
        end = entry.find("': ")
        while end >= 0:
            line = by_text.get(entry[:end])
            if line is not None:
                found[line] = entry[end + 3 :]
                break
            end = entry.find("': ", end + 1)
    return found
