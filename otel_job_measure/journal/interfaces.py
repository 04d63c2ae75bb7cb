"""The protocols and values on both sides of the journal.

A job sees a `Journal`: it stamps, begins and finishes runs, and waits for an append and nothing else. The shipper sees
a `Source` of segments, and gives what it reads to each `Sink`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from otel_job_measure.journal.state_dir import StateDir


class Position(NamedTuple):
    """A place in a journal: what was appended before it was asked for lies before it."""

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
        """Returns a timestamp in ns since 1970 that no other point of this state directory has.

        It is at least 1 µs after `after_ns`.
        """
        ...

    def begin(self, uuid: str, line: bytes) -> None:
        """Appends a start line, which ends with a newline, and notes the run as open.

        A line that cannot be written now waits in memory and is tried again.
        """
        ...

    def finish(self, uuid: str, lines: bytes) -> None:
        """Appends an ending in one write, the run row first, and notes the run as no longer open."""
        ...

    def note(self, lines: bytes) -> None:
        """Appends points that begin and end no run, each line with a newline."""
        ...

    def hold(self, uuid: str, start: bytes = b"") -> None:
        """Keeps a run open that another process of this machine began, so that this process can end it.

        While this process lives, a recovery pass waits up to 30 s before it ends the run as lost. `finish` ends the
        hold. Holding a run that is open in this journal changes nothing. With the `start` line, this process can give
        the run's signs of life.
        """
        ...

    def release(self, uuid: str) -> None:
        """Gives up a run without ending it: another process ends it, or nothing does.

        In the process that began the run, it is no longer open: a recovery pass does not end it as lost.
        """
        ...

    def tail(self) -> Position:
        """Returns the place after everything that was appended so far."""
        ...


class Identity(NamedTuple):
    """What all segments of a journal say of their writer."""

    host: str
    boot_id: str
    """Tells one boot of the machine from another."""
    destination: str
    """The destination's id, or `local` or `any`."""
    label: str
    """The destination for people: URL, org and bucket, without secrets."""
    runs: bool
    """Whether run rows are written (`OTEL_JOB_MEASURE_RUNS`)."""


class SegmentHeader(NamedTuple):
    """The first line of a segment."""

    identity: Identity
    slot: int
    ordinal: int
    """The segment's number in its journal, from 0."""
    created_ns: int

    @property
    def host(self) -> str:
        """Returns the writer's host."""
        return self.identity.host

    @property
    def destination(self) -> str:
        """Returns the destination's id."""
        return self.identity.destination


class Segment(Protocol):
    """A segment as a reader sees it. Its name is unique for ever, in whichever folder its file lies."""

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
        """Deletes its bytes, in whichever folder its file lies."""
        ...


class Chunk(NamedTuple):
    """Some whole lines of one segment, comments and blank lines included."""

    segment: str
    """The segment's name."""
    offset: int
    """Where the chunk begins in its segment, in bytes."""
    data: bytes
    host: str = ""
    """The host of the segment's header; empty if unknown."""

    @property
    def end(self) -> int:
        """Returns the offset after the chunk."""
        return self.offset + len(self.data)


class Ack(Enum):
    """The state of chunks after a write."""

    DONE = "done"
    """The sink has them, or has refused single lines of them for good; go on."""
    MORE = "more"
    """The sink has settled a part of them; give it the same chunks again at once."""
    RETRY = "retry"
    """The sink may have none or some; give it the same chunks again, later and later."""
    HOLD = "hold"
    """Blocked until the configuration changes; give it the same chunks again in a minute."""
    REFUSED = "refused"
    """The sink refuses every line that it has not settled, and cannot tell why: give it the same chunks again, with
    later ones behind them."""


class WriteResult(NamedTuple):
    """A sink's answer to a write.

    Args:
        ack: The state of the chunks.
        wait_s: How long the sink asked to wait (Retry-After), in seconds; None if it did not ask.
        message: The text to log if the chunks are not done: what came back, and what to set.
    """

    ack: Ack
    wait_s: float | None = None
    message: str = ""


class Sink(Protocol):
    """A destination of points: InfluxDB, an OTLP receiver, the local history, a test's list."""

    @property
    def name(self) -> str:
        """Returns its name, for logs."""
        ...

    def committed_offset(self, segment: str) -> int:
        """Returns how many bytes of a segment, by its name, the sink keeps from earlier processes; 0 if unknown."""
        ...

    def write(self, chunks: Sequence[Chunk], *, deadline_ns: int | None = None) -> WriteResult:
        """Writes chunks, each segment's in order, and returns their state; never raises an `Exception`.

        After anything but DONE the same chunks come again, after REFUSED with others behind them. `deadline_ns` is the
        end of the process, by the monotonic clock. With it the sink sends at most one request, so that the caller can
        stop after a slow one.
        """
        ...

    def forget(self, segments: Sequence[str]) -> None:
        """Forgets deleted segments, by their names."""
        ...

    def close(self) -> None:
        """Closes connections and files."""
        ...


class DeadLetters(Protocol):
    """Keeps the lines that a server refused for good."""

    def put(self, line: bytes, message: str, /) -> None:
        """Keeps one line, without its newline, with the server's message."""
        ...


class Source(Protocol):
    """The reading side of a journal, for the one shipper thread of its process."""

    def own(self) -> Sequence[Segment]:
        """Returns the segments of this process, oldest first; the last one is still being written."""
        ...

    def left(self) -> AbstractContextManager[Iterable[Sequence[Segment]] | None]:
        """Holds `adopt.lock` and gives the segments in `ready/`, some at a time; None if another process holds it."""
        ...

    def recover(self) -> None:
        """Maintains the state directory: the recovery pass and the bound on bytes."""
        ...

    def maintain(self) -> None:
        """Does what this process owes its journal without network: heartbeat, lock check, clock."""
        ...

    def drop(self, segment: Segment, *, is_lost: bool = False) -> None:
        """Deletes a segment that every sink has, now or soon; never the one that is still being written.

        With `is_lost` the history refuses it, and so knows nothing of its time.
        """
        ...


class Store(Protocol):
    """What one journal writes to: a slot of files, or memory. One thread at a time writes."""

    @property
    def slot(self) -> int:
        """Returns the last three digits of this store's timestamps."""
        ...

    @property
    def state(self) -> "StateDir | None":
        """Returns the state directory; None in memory."""
        ...

    def write(self, data: bytes) -> bool:
        """Appends whole lines in one write, and returns whether the segment is full; after an OSError none is in it."""
        ...

    def behind(self, waiting: int, *, is_lost: bool = False) -> None:
        """Notes how many appends wait because they failed, and that some are lost: nothing is known of that time."""
        ...

    def rotate(self) -> None:
        """Begins a new segment, with the lines of the open runs, if the present one is full."""
        ...

    def hand_over(self) -> None:
        """Begins a new segment, with the lines of the open runs, and leaves the older ones to other processes."""
        ...

    def check(self) -> bool:
        """Leaves a harmed segment for a new one; returns whether the slot is still this store's."""
        ...

    def own(self) -> Sequence[Segment]:
        """Returns the segments, oldest first; the last one is still being written."""
        ...

    def release(self, segment: Segment) -> bool:
        """Forgets a segment that every sink has; returns whether its bytes may be deleted."""
        ...

    def close(self, *, delivered: bool, last_ns: int | None = None) -> None:
        """Gives the slot back; it rests after `last_ns` if the clock was set back behind its last timestamp."""
        ...

    def abandon(self) -> None:
        """Closes the parent's descriptors in a child of fork, and does nothing else."""
        ...


class LostSlotError(OSError):
    """A store's slot may be another process's now; the journal needs another store."""


OpenStore = Callable[[Mapping[str, bytes], Store | None], Store]
"""Opens a store, given what a new segment begins with and the store that it takes the place of; raises OSError."""
