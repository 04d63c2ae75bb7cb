"""Cutting what is to be folded into stretches that fit into one transaction."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from otel_job_measure.journal.interfaces import Chunk

LEAST_BYTES: Final = 16 * 1024
FIRST_BYTES: Final = 64 * 1024


class Pace(NamedTuple):
    """How much one transaction may do.

    Args:
        aim_ns: How long its folding should take; the commit comes to that, and one can be slower than the one before.
        most_bytes: How many bytes of segments it may have at most.
    """

    aim_ns: int
    most_bytes: int


BESIDE_JOBS: Final = Pace(aim_ns=7_000_000, most_bytes=1024 * 1024)
"""In a process that has jobs: a fork of theirs waits for a transaction, which may take 20 ms."""
ALONE: Final = Pace(aim_ns=150_000_000, most_bytes=8 * 1024 * 1024)
"""In a command, which never forks: each transaction waits for the disk twice, however little it has."""


class Stretch(NamedTuple):
    """A part of a segment that is folded at once.

    Args:
        segment: The segment's name.
        begin: Its first byte.
        end: The byte after its last one.
        data: Whole lines.
    """

    segment: str
    begin: int
    end: int
    data: bytes


def stretches(
    chunks: Iterable[Chunk], positions: Mapping[str, int], room: Callable[[], int]
) -> Iterator[list[Stretch]]:
    """Cuts chunks at line ends.

    Args:
        chunks: Each segment's in order.
        positions: How much of each segment is folded already; that is left out.
        room: Tells how many bytes the next transaction may have.

    Yields:
        What one transaction gets; many small chunks go into one.
    """
    batch: list[Stretch] = []
    left = room()
    for chunk in chunks:
        at = max(0, positions.get(chunk.segment, 0) - chunk.offset)
        while at < len(chunk.data):
            end = chunk.data.find(b"\n", min(at + left, len(chunk.data)) - 1) + 1 or len(chunk.data)
            offset = chunk.offset
            batch.append(Stretch(segment=chunk.segment, begin=offset + at, end=offset + end, data=chunk.data[at:end]))
            left -= end - at
            at = end
            if left <= 0:
                yield batch
                batch, left = [], room()
    if batch:
        yield batch


def next_room(pace: Pace, room: int, used: int, took_ns: int) -> int:
    """Returns how many bytes the next transaction may have.

    Args:
        pace: How much it may do.
        room: How many the last one might have had.
        used: How many it had.
        took_ns: How long that took, without the commit: a slow disk takes its time for a few bytes, too.
    """
    if took_ns <= pace.aim_ns and used < room // 2:
        return room  # a small one tells nothing of a large one
    wanted = used * pace.aim_ns // max(took_ns, 1)
    return min(max(wanted, room // 4, LEAST_BYTES), room * 2, pace.most_bytes)
