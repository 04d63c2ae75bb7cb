"""Fakes: a clock, a journal and a sink in memory, and the runs that were measured."""

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack, Chunk, Identity, Position, WriteResult
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.memory_store import MemoryStore
from otel_job_measure.points.line_protocol import Point, parse
from otel_job_measure.runtime.pipeline import stand_in

_IDENTITY = Identity(host="test-host", boot_id="test-boot", destination="local", label="a test", runs=True)


@dataclass(slots=True, kw_only=True)
class ManualClock:
    """A clock that stands still until it is moved.

    Args:
        wall: Nanoseconds since 1970.
        monotonic: Nanoseconds since some fixed moment.
    """

    wall: int = 1_800_000_000_000_000_000
    monotonic: int = 0

    def wall_ns(self) -> int:
        """Returns the wall time in ns."""
        return self.wall

    def monotonic_ns(self) -> int:
        """Returns the monotonic time in ns."""
        return self.monotonic

    def advance(self, seconds: float) -> None:
        """Moves both times forward."""
        self.wall += int(seconds * 1e9)
        self.monotonic += int(seconds * 1e9)


class MemoryJournal(SegmentJournal):
    """A journal in memory.

    Args:
        clock: The source of its times; None for the machine's clocks.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        the_clock = clock or SystemClock()
        counters = Counters()
        super().__init__(
            lambda _open_runs, before: MemoryStore(_IDENTITY, the_clock, counters, before),
            clock=the_clock,
            counters=counters,
            host=_IDENTITY.host,
        )

    def points(self) -> list[Point]:
        """Returns all points, in the order in which they were written."""
        return _parsed(segment.read(0, segment.size()) for segment in self.own())


@dataclass(slots=True)
class ListSink:
    """A sink that keeps the chunks it gets.

    Args:
        answer: Its result of each write; it keeps the chunks only if that is DONE.
        chunks: The chunks so far.
        name: Its name.
    """

    answer: WriteResult = field(default_factory=lambda: WriteResult(ack=Ack.DONE))
    chunks: list[Chunk] = field(default_factory=list[Chunk])
    name: str = "list"

    def committed_offset(self, segment: str) -> int:
        """Returns the number of bytes that it has of a segment."""
        return max((chunk.end for chunk in self.chunks if chunk.segment == segment), default=0)

    def write(self, chunks: Sequence[Chunk], *, deadline_ns: int | None = None) -> WriteResult:  # noqa: ARG002 - the protocol's
        """Takes chunks."""
        if self.answer.ack is Ack.DONE:
            self.chunks.extend(chunks)
        return self.answer

    def forget(self, segments: Sequence[str]) -> None:
        """Does nothing: the chunks stay."""

    def close(self) -> None:
        """Does nothing."""

    def points(self) -> list[Point]:
        """Returns all points that it took."""
        return _parsed(chunk.data for chunk in self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRecord:
    """A due time that a scheduler skipped.

    Args:
        job: The job's name.
        due_ns: The due time, in nanoseconds since 1970.
        detail: Why it was skipped, as `misfire: later than its grace`.
    """

    job: str
    due_ns: int
    detail: str

    @staticmethod
    def from_points(points: Iterable[Point]) -> "list[SkippedRecord]":
        """Returns the skipped due times among some points, each once, in the order of the due times."""
        found = {
            (point.tags[names.TAG_JOB], point.time_ns or 0): str(point.fields.get(names.FIELD_DETAIL, ""))
            for point in points
            if point.measurement == names.EVENTS and point.tags[names.TAG_EVENT] == names.EVENT_SKIPPED
        }
        records = (SkippedRecord(job=job, due_ns=due, detail=detail) for (job, due), detail in found.items())
        return sorted(records, key=lambda record: record.due_ns)


class RecordedRuns(Sequence[RunRecord]):
    """The runs that were measured, in the order in which they began.

    Args:
        journal: The journal of the recording.
    """

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self._seen: tuple[Position, list[RunRecord]] = (Position(0, 0), [])

    def of(self, job: str) -> list[RunRecord]:
        """Returns the runs of one job."""
        return [run for run in self if run.job == job]

    def one(self, job: str) -> RunRecord:
        """Returns the only run of a job.

        Raises:
            AssertionError: It did not run, or more than once; the message names all measured runs.
        """
        runs = self._runs()
        found = [run for run in runs if run.job == job]
        if len(found) != 1:
            seen = ", ".join(f"{run.job} ({run.status})" for run in runs) or "nothing"
            raise AssertionError(f"expected one run of {job!r}, found {len(found)}; all measured runs: {seen}")
        return found[0]

    def skipped(self) -> list[SkippedRecord]:
        """Returns the due times that schedulers skipped, in their order."""
        return SkippedRecord.from_points(self._journal.points())

    def __len__(self) -> int:
        return len(self._runs())

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[RunRecord]: ...
    def __getitem__(self, index: int | slice) -> RunRecord | list[RunRecord]:
        return self._runs()[index]

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self._runs())  # runs that begin during the iteration are not part of it

    def __repr__(self) -> str:
        return f"RecordedRuns({self._runs()!r})"

    def _runs(self) -> list[RunRecord]:
        """Returns the runs so far, read again if points were written since."""
        mark = self._journal.tail()
        if mark != self._seen[0]:
            self._seen = (mark, [_by_clock(run) for run in RunRecord.from_points(self._journal.points())])
        return self._seen[1]


def _parsed(parts: Iterable[bytes]) -> list[Point]:
    lines = (line for data in parts for line in data.splitlines())
    return [parse(line) for line in lines if line and not line.startswith(b"#")]


def _by_clock(run: RunRecord) -> RunRecord:
    """Returns a run whose duration is by the clock of the recording, which a test may have moved."""
    if run.started_ns is None or run.ended_ns is None:
        return run
    return replace(run, duration_s=(run.ended_ns - run.started_ns) / 1e9)


@contextlib.contextmanager
def recorded_runs(clock: Clock | None = None) -> Generator[RecordedRuns]:
    """Records the runs of every `JobMeasure` in memory while the block runs, whatever its settings.

    A `JobMeasure` with `disabled` measures nothing here either.

    Args:
        clock: The source of the runs' times; None for the machine's clocks.

    Yields:
        The runs so far, at any moment.
    """
    journal = MemoryJournal(clock)
    with stand_in(journal):
        yield RecordedRuns(journal)
