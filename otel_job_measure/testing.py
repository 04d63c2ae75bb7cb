"""Fakes for your own test suite: which runs were measured, without files, threads or a server.

::

    @pytest.fixture
    def runs():
        with recorded_runs() as runs:
            yield runs


    def test_the_import_is_measured(runs):
        import_orders()
        assert runs.one("import-orders").status == "end"
"""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack, Chunk, Identity, Position, WriteResult
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.memory_store import MemoryStore
from otel_job_measure.points.line_protocol import Point, parse
from otel_job_measure.runtime.pipeline import stand_in

__all__ = ["ListSink", "ManualClock", "MemoryJournal", "RecordedRun", "RecordedRuns", "recorded_runs"]

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
        return [
            parse(line)
            for segment in self.own()
            for line in segment.read(0, segment.size()).splitlines()
            if not line.startswith(b"#")
        ]


@dataclass(slots=True)
class ListSink:
    """A sink that keeps the chunks it gets.

    Args:
        answer: Its result of each write; it keeps the chunks only if that is DONE.
        chunks: The chunks so far.
        name: Its name.
    """

    answer: WriteResult = field(default_factory=lambda: WriteResult(taken=Ack.DONE))
    chunks: list[Chunk] = field(default_factory=list[Chunk])
    name: str = "list"

    def position(self, segment: str) -> int:
        """Returns the number of bytes that it has of a segment."""
        return max((chunk.end for chunk in self.chunks if chunk.segment == segment), default=0)

    def take(self, chunks: Sequence[Chunk]) -> WriteResult:
        """Takes chunks."""
        if self.answer.taken is Ack.DONE:
            self.chunks.extend(chunks)
        return self.answer

    def forget(self, segments: Sequence[str]) -> None:
        """Does nothing: the chunks stay."""

    def close(self) -> None:
        """Does nothing."""

    def points(self) -> list[Point]:
        """Returns all points that it took."""
        lines = [line for chunk in self.chunks for line in chunk.data.splitlines()]
        return [parse(line) for line in lines if line and not line.startswith(b"#")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """One run as it was measured.

    Args:
        job: The job's name.
        uuid: The run's id.
        status: `running`, `end` or `failed`.
        reason: Why it failed; None where it didn't. With `runs=False` nobody tells, nor what follows.
        error_type: The exception's class.
        error_message: Its text, where `error_message` is on.
        duration_s: How long it took by the clock of the recording, at least 1 µs; None while it runs.
        tags: The default tags and those of `OTEL_JOB_MEASURE_TAGS`.
    """

    job: str
    uuid: str
    status: str
    reason: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    duration_s: float | None = None
    tags: dict[str, str]


class RecordedRuns(Sequence[RecordedRun]):
    """The runs that were measured, in the order in which they began.

    Args:
        journal: The journal of the recording.
    """

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal
        self._seen: tuple[Position, list[RecordedRun]] = (Position(0, 0), [])

    def of(self, job: str) -> list[RecordedRun]:
        """Returns the runs of one job."""
        return [run for run in self if run.job == job]

    def one(self, job: str) -> RecordedRun:
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

    def __len__(self) -> int:
        return len(self._runs())

    @overload
    def __getitem__(self, index: int) -> RecordedRun: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordedRun]: ...
    def __getitem__(self, index: int | slice) -> RecordedRun | list[RecordedRun]:
        return self._runs()[index]

    def __iter__(self) -> Iterator[RecordedRun]:
        return iter(self._runs())  # runs that begin during the iteration are not part of it

    def __repr__(self) -> str:
        return f"RecordedRuns({self._runs()!r})"

    def _runs(self) -> list[RecordedRun]:
        """Returns the runs so far, read again if points were written since."""
        mark = self._journal.tail()
        if mark != self._seen[0]:
            self._seen = (mark, self._read())
        return self._seen[1]

    def _read(self) -> list[RecordedRun]:
        starts: dict[str, Point] = {}
        ends: dict[str, Point] = {}
        rows: dict[str, Point] = {}
        for point in self._journal.points():
            uuid = str(point.fields[names.FIELD_UUID])
            if point.measurement == names.RUNS:
                rows[uuid] = point
            elif point.fields[names.FIELD_STATUS] == names.STATUS_START:
                starts[uuid] = point
            else:
                ends[uuid] = point
        return [_run(uuid, start, ends.get(uuid), rows.get(uuid)) for uuid, start in starts.items()]


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


def _run(uuid: str, start: Point, end: Point | None, row: Point | None) -> RecordedRun:
    tags = dict(start.tags)
    job = tags.pop(names.TAG_JOB)
    if end is None:
        return RecordedRun(job=job, uuid=uuid, status="running", tags=tags)
    told = {} if row is None else {**row.tags, **row.fields}
    return RecordedRun(
        job=job,
        uuid=uuid,
        status=str(end.fields[names.FIELD_STATUS]),
        reason=_text(told.get(names.TAG_REASON)),
        error_type=_text(told.get(names.FIELD_ERROR_TYPE)),
        error_message=_text(told.get(names.FIELD_ERROR_MESSAGE)),
        duration_s=((end.time_ns or 0) - (start.time_ns or 0)) / 1e9,
        tags=tags,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
