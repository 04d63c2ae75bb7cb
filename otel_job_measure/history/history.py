"""The local history: one row a run, in a file that all processes of a state directory share."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import BusyHistoryError, DamagedHistoryError, HistoryError
from otel_job_measure.history import filing, ingest, monitor_tables, queries, questions
from otel_job_measure.history.database import LONGEST_S, Database
from otel_job_measure.history.ingest import BESIDE_JOBS, FIRST_BYTES, Pace, Stretch, next_room, stretches
from otel_job_measure.history.pruning import Pruning
from otel_job_measure.history.row_parser import LineReader
from otel_job_measure.history.run_record import Batch, RunRecord
from otel_job_measure.history.schema import Schema
from otel_job_measure.history.wanted import Wanted
from otel_job_measure.journal.interfaces import Chunk, Segment
from otel_job_measure.journal.segment import destination_of
from otel_job_measure.journal.state_dir import Mark, StateDir
from otel_job_measure.rate_limited_log import LOG

if TYPE_CHECKING:
    import sqlite3

    from otel_job_measure.points.monitor import MonitorRow

_T = TypeVar("_T")
_POLL_S: Final = 0.005
_READ: Final = 4 * 1024 * 1024
_STEPS: Final = 20
"""How many short transactions for old files and old runs may follow an ingest."""
_RUNS_AT_ONCE: Final = 1000
_FORMER: Final = (1, 2, 3, 4, 5)
"""The former versions of the schema."""


class Behind(NamedTuple):
    """How much of the segments is not in the history."""

    bytes: int = 0
    points: int = 0
    why: str = ""
    """Why it could not be ingested; empty if everything is in."""


class History:
    """The runs of a state directory, kept for `retention_s` after they ended.

    The file is open only during transactions of some milliseconds. Methods with `patience_s` wait that long at most
    while another process uses the file, then raise `BusyHistoryError`. They raise `HistoryError` for an unusable file.
    """

    def __init__(
        self,
        path: Path,
        *,
        retention_s: float,
        clock: Clock | None = None,
        pause: Callable[[float], None] = time.sleep,
        pace: Pace = BESIDE_JOBS,
    ) -> None:
        self.retention_s = retention_s
        self._clock = clock or SystemClock()
        self._pause = pause
        self._pace = pace
        self._database = Database(path, clock=self._clock, schema=schema(), upgrade_s=pace.upgrade_s)
        self._pruning = Pruning(retention_s, self._clock)
        self._reader = LineReader()
        self._positions: dict[str, int] = {}
        self._gone: set[str] = set()
        self._unnoted: dict[str, Stretch] = {}
        self._room = FIRST_BYTES
        self._may_file = True
        """Whether runs of a former version may not be in the index by job."""

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    @property
    def set_aside(self) -> Sequence[Path]:
        """The damaged files that were set aside and are still there, the oldest first."""
        return self._database.set_aside()

    def position(self, segment: str) -> int | None:
        """Returns how much of a segment was in when this object last read or wrote the file; None if unknown."""
        return self._positions.get(segment)

    def positions(self, *, patience_s: float = 0.0) -> Mapping[str, int]:
        """Reads how many bytes of each segment are in, by the segment's name."""
        if self._database.exists():
            found = self._patiently(ingest.positions, patience_s, writes=False)
            self._positions = {name: position for name, position in found.items() if name not in self._gone}
        return self._positions

    def fold(self, chunks: Sequence[Chunk], *, patience_s: float = 0.0) -> None:
        """Ingests chunks, each segment's in order, in short transactions; leaves out what is in already."""
        folded = [
            self._fold_batch(batch, patience_s) for batch in stretches(chunks, self._positions, lambda: self._room)
        ]
        if any(folded):
            self._tidy()

    def forget(self, segments: Iterable[str]) -> None:
        """Deletes the notes about segments that are gone, with the next transaction that ingests."""
        self._gone.update(segments)
        for name in self._gone & self._positions.keys():
            del self._positions[name]
            self._unnoted.pop(name, None)

    def clean(self) -> None:
        """Deletes the notes about segments that are gone, now."""
        gone = set(self._gone)
        if gone:
            self._patiently(lambda connection: ingest.forget(connection, gone), 0.0)
            self._gone -= gone

    def latest(
        self,
        *,
        job: str | None = None,
        words: Sequence[str] = (),
        since_ns: int | None = None,
        limit: int,
        patience_s: float = 5.0,
    ) -> list[RunRecord]:
        """Returns the latest runs, the newest first; what is given of `Wanted` narrows the choice."""
        wanted = Wanted(job=job, words=tuple(words), since_ns=since_ns)
        return self.read(lambda connection: questions.latest(connection, wanted, limit), patience_s=patience_s) or []

    def read(self, question: "Callable[[sqlite3.Connection], _T]", *, patience_s: float = 5.0) -> _T | None:
        """Asks something in one transaction that only reads; None if there is no file."""
        return self._patiently(question, patience_s, writes=False) if self._database.exists() else None

    def put(self, rows: "Sequence[MonitorRow]", *, patience_s: float = 0.0) -> None:
        """Puts rows that no segment has into their tables."""
        now_ns = self._clock.wall_ns()
        self._patiently(lambda connection: monitor_tables.put(connection, rows, now_ns), patience_s)

    def points(
        self, since_ns: int = queries.EVER, *, destinations: Collection[str] | None = None, patience_s: float = 5.0
    ) -> Iterator[bytes]:
        """Yields rows in line protocol, as they were first written, those of some runs at a time.

        Only runs that started or ended since a time in ns, and were written for one of some destinations. Events, and
        the last states and expectations, follow, whatever the destination.
        """
        row_id = -1
        while self._database.exists():
            after = row_id
            rows = self._patiently(
                lambda connection: queries.rows_after(connection, after, since_ns, _RUNS_AT_ONCE),  # noqa: B023
                patience_s,
                writes=False,
            )
            if not rows:
                break
            row_id = rows[-1][0]
            if lines := queries.lines_of(rows, destinations):
                yield lines
        yield from self._monitor_points(since_ns, patience_s)

    def _monitor_points(self, since_ns: int, patience_s: float) -> Iterator[bytes]:
        row_id = 0
        while self._database.exists():
            ask = partial(monitor_tables.next_events, row_id=row_id, since_ns=since_ns, limit=_RUNS_AT_ONCE)
            found = self._patiently(ask, patience_s, writes=False)
            if found is None:
                present = self._patiently(partial(monitor_tables.present, since_ns=since_ns), patience_s, writes=False)
                yield from monitor_tables.lines_of(present)
                return
            row_id, events = found
            yield from monitor_tables.lines_of(events)

    def output(self, uuid: str, *, patience_s: float = 5.0) -> Mapping[str, bytes]:
        """Returns the end of what the command of a run wrote, by `stdout` and `stderr`, if it was kept."""
        if not self._database.exists():
            return {}
        return self._patiently(lambda connection: queries.output(connection, uuid), patience_s, writes=False)

    def catch_up(self, segments: Sequence[Segment], *, within_s: float = 10.0) -> Behind:
        """Ingests what segments contain at this moment, as far as that is possible, and returns what is not in."""
        ends_ns = self._clock.monotonic_ns() + int(within_s * 1e9)
        why = ""
        try:
            self.positions(patience_s=within_s)
            # The second time for what a damaged file had that was set aside on the way.
            for chunks in chain(self._unfolded(segments), self._unfolded(segments)):
                left_s = (ends_ns - self._clock.monotonic_ns()) / 1e9
                if left_s <= 0:
                    why = f"it takes more than {within_s:g} s"
                    break
                self.fold(chunks, patience_s=left_s)
        except HistoryError as error:
            why = str(error)
        # What living processes have appended since does not count.
        return self._behind(segments, why) if why else Behind()

    def _unfolded(self, segments: Sequence[Segment]) -> Iterator[list[Chunk]]:
        chunks: list[Chunk] = []
        room = _READ
        for segment in segments:
            offset = self._positions.get(segment.name, 0)
            while data := segment.read(offset, room):
                chunks.append(Chunk(segment=segment.name, offset=offset, data=data, host=segment.header.host))
                offset += len(data)
                room -= len(data)
                if room <= 0:
                    yield chunks
                    chunks, room = [], _READ
        if chunks:
            yield chunks

    def _behind(self, segments: Sequence[Segment], why: str) -> Behind:
        size = points = 0
        for segment in segments:
            offset = self._positions.get(segment.name, 0)
            while data := segment.read(offset, _READ):
                offset += len(data)
                size += len(data)
                points += data.count(b"\n") - data.count(b"\n#") - data.startswith(b"#")
        return Behind(bytes=size, points=points, why=why) if points else Behind()

    def _fold_batch(self, batch: Sequence[Stretch], patience_s: float) -> bool:
        """Ingests what one transaction gets; returns whether it took one."""
        told = Batch()
        for stretch in batch:
            told.host, told.destination = stretch.host or None, destination_of(stretch.segment) or None
            self._reader.read(stretch.data, told)
        gone = set(self._gone)
        if not (told.runs or told.outputs or told.monitor or gone):
            self._note_later(batch)
            return False
        noted = [self._with_unnoted(stretch) for stretch in batch]

        def put(connection: "sqlite3.Connection") -> int:
            began_ns = self._clock.monotonic_ns()
            if ingest.fold(connection, told, noted, self._clock.wall_ns()):
                self._database.make_views(connection)
            ingest.forget(connection, gone)
            return self._clock.monotonic_ns() - began_ns

        took_ns = self._patiently(put, patience_s)
        used = sum(len(stretch.data) for stretch in batch)
        self._room = next_room(self._pace, self._room, used, took_ns)
        self._gone -= gone
        for stretch in noted:
            self._unnoted.pop(stretch.segment, None)
            if self._positions.get(stretch.segment, 0) >= stretch.begin:
                self._positions[stretch.segment] = stretch.end
        LOG.debug("%d bytes with %d runs are in the history, in %.1f ms", used, len(told.runs), took_ns / 1e6)
        return True

    def _note_later(self, batch: Sequence[Stretch]) -> None:
        """Counts comments as ingested; the transaction of the next runs of their segments notes them.

        An idle process with an open run writes only signs of life, which are not worth a transaction a minute.
        """
        for stretch in map(self._with_unnoted, batch):
            self._unnoted[stretch.segment] = stretch
            if self._positions.get(stretch.segment, 0) >= stretch.begin:
                self._positions[stretch.segment] = stretch.end

    def _with_unnoted(self, stretch: Stretch) -> Stretch:
        before = self._unnoted.get(stretch.segment)
        if before is None or before.end != stretch.begin:
            return stretch
        return stretch._replace(begin=before.begin)

    def _tidy(self) -> None:
        """Deletes old runs and files those of former versions, in some short transactions."""
        try:
            for _ in range(_STEPS):
                if not (self._pruning.is_due() or self._may_file):
                    break
                self._may_file = self._patiently(self._tidied, 0.0)
                self._pause(_POLL_S)  # lets a waiting fork go first
        except BusyHistoryError:
            pass  # it stays due

    def _tidied(self, connection: "sqlite3.Connection") -> bool:
        if self._pruning.is_due():
            self._pruning.prune(connection)
        return self._may_file and filing.file_some(connection)

    def _patiently(
        self, operation: "Callable[[sqlite3.Connection], _T]", patience_s: float, *, writes: bool = True
    ) -> _T:
        """Does an operation in one transaction; again if the file was damaged, and later if it is locked."""
        ends_ns = self._clock.monotonic_ns() + int(patience_s * 1e9)
        repaired = False
        while True:
            try:
                with self._database.transaction(writes=writes, within_s=patience_s or LONGEST_S) as connection:
                    return operation(connection)
            except BusyHistoryError:
                if self._clock.monotonic_ns() >= ends_ns:
                    raise
                self._pause(_POLL_S)
            except DamagedHistoryError:
                self._positions.clear()
                self._unnoted.clear()
                if repaired:
                    raise
                repaired = True
                # The rows of deleted segments were in the old file only.
                Mark(StateDir(self.path.parent), 0).until(self._clock.wall_ns())


def schema() -> Schema:
    """Returns the schema of the history, with what leads to it from former versions."""
    return Schema(
        _read("schema.sql"),
        views=_read("views.sql"),
        former=[_read(f"former/{version}.sql") for version in _FORMER],
        upgrades=[_read(f"upgrades/{version}.sql") for version in _FORMER],
    )


@cache  # a process may give up the right to read the package
def _read(name: str) -> str:
    """Returns a file beside this module, which may be in an archive."""
    return resources.files("otel_job_measure.history").joinpath(name).read_text(encoding="utf-8")
