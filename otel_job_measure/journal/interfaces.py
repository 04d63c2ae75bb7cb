"""What the parts on both sides of the journal know of each other.

The job's side sees a `Journal`: it stamps, begins and finishes runs, and never waits for anything but an append.
The shipper's side sees a `Source` of segments and gives what it reads to each `Sink`.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import NamedTuple, Protocol


class Position(NamedTuple):
    """A place in a journal: everything before it was appended before it was asked for."""

    ordinal: int
    """The segment's number in this journal."""
    offset: int
    """Bytes into that segment."""


class Journal(Protocol):
    """What a job waits for: an append and nothing else. No method raises an `Exception`."""

    @property
    def host(self) -> str:
        """Returns the host's name, as the run rows have it."""
        ...

    def stamp(self, *, after_ns: int = 0) -> int:
        """Returns a time that no other point of this state directory has, in ns since 1970, later than `after_ns`."""
        ...

    def begin(self, uuid: str, line: bytes) -> None:
        """Appends a start line, which ends with a newline, and notes the run as open.

        A line that cannot be written now waits in memory and is tried again.
        """
        ...

    def finish(self, uuid: str, lines: bytes) -> None:
        """Appends an ending, run row first, in one write, and notes the run as no longer open."""
        ...

    def hold(self, uuid: str) -> None:
        """Keeps a run open that another process of this machine began, so that this process can end it.

        While this process lives, a recovery pass waits up to 30 s before it ends the run as lost. `finish` ends the
        hold. Holding a run that is open in this journal changes nothing.

        Args:
            uuid: The run's id.
        """
        ...

    def release(self, uuid: str) -> None:
        """Gives up a run without ending it: another process ends it, or nothing does.

        In the process that began the run, it is no longer open: a recovery pass does not end it as lost.

        Args:
            uuid: The run's id.
        """
        ...

    def tail(self) -> Position:
        """Returns the place after everything that was appended so far."""
        ...


class SegmentHeader(NamedTuple):
    """The first line of a segment: what a shipper or an adopter has to know of the one who wrote it."""

    host: str
    boot_id: str
    slot: int
    ordinal: int
    """The segment's number in its journal, from 0."""
    created_ns: int
    destination: str
    """The destination's id, or `local` or `any`."""
    label: str
    """The destination in words, for people: URL, org and bucket, without anything secret."""
    runs: bool
    """Whether run rows are written (`OTEL_JOB_MEASURE_RUNS`)."""


class Segment(Protocol):
    """A segment as a reader sees it. Its name is unique for ever, wherever its file lies."""

    @property
    def name(self) -> str:
        """Returns its name."""
        ...

    @property
    def header(self) -> SegmentHeader:
        """Returns its first line."""
        ...

    def size(self) -> int:
        """Returns how many bytes can be read now, up to the last newline or the last good byte; 0 if it is gone."""
        ...

    def read(self, offset: int, limit: int) -> bytes:
        """Returns whole lines from `offset` on, at most `limit` bytes unless one line is longer; empty at the end."""
        ...

    def delete(self) -> None:
        """Deletes its bytes wherever they are now."""
        ...


class Chunk(NamedTuple):
    """Some whole lines of one segment, comments and blank lines included."""

    segment: str
    """The segment's name."""
    offset: int
    """Where the chunk begins in its segment, in bytes."""
    data: bytes

    @property
    def end(self) -> int:
        """Returns the offset after the chunk."""
        return self.offset + len(self.data)


class Ack(Enum):
    """What became of the chunks that a sink was given."""

    DONE = "done"
    """The sink has them all, or has said of each line it will never have why not; go on."""
    RETRY = "retry"
    """It has none or some; give the same chunks again, later and later."""
    HOLD = "hold"
    """Somebody has to set something first; give the same chunks again in a minute."""


class WriteResult(NamedTuple):
    """A sink's answer.

    Args:
        taken: What became of the chunks.
        wait_s: How long the sink was asked to wait (Retry-After), in seconds; None where it said nothing.
        words: What to log where it is not done: what came, and what to set.
    """

    taken: Ack
    wait_s: float | None = None
    words: str = ""


class Sink(Protocol):
    """Something that keeps points: InfluxDB, the local history, a test's list."""

    @property
    def name(self) -> str:
        """Returns its name, for logs."""
        ...

    def position(self, segment: str) -> int:
        """Returns how much of a segment the sink already has, in bytes; 0 where it does not know."""
        ...

    def take(self, chunks: Sequence[Chunk]) -> WriteResult:
        """Takes chunks, each segment's in order, and says what became of them; never raises an `Exception`."""
        ...

    def forget(self, segments: Sequence[str]) -> None:
        """Is told that these segments are gone and won't come again."""
        ...

    def close(self) -> None:
        """Gives back connections and files."""
        ...


class DeadLetters(Protocol):
    """Keeps the lines that a server refused for good."""

    def put(self, line: bytes, message: str, /) -> None:
        """Keeps one line, without its newline, with the server's message."""
        ...


Rejects = DeadLetters


class Source(Protocol):
    """The reading side of a journal, for the one shipper thread of its process."""

    def own(self) -> Sequence[Segment]:
        """Returns the segments of this process, oldest first; the last one is still being written."""
        ...

    def left(self) -> AbstractContextManager[Iterable[Sequence[Segment]] | None]:
        """Holds `adopt.lock` and gives what others left in `ready/`; None where another process holds it.

        There can be any number of segments: they come some at a time, each time oldest first.
        """
        ...

    def recover(self) -> None:
        """Makes a recovery pass over the state directory, and keeps it within `max_bytes`."""
        ...

    def maintain(self) -> None:
        """Does what this process owes its journal without network: heartbeat, lock check, clock."""
        ...

    def drop(self, segment: Segment) -> None:
        """Deletes a segment that every sink has, now or soon; never the one that is still being written."""
        ...
