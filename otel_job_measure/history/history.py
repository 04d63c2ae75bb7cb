"""The local history: what it is told, and what can be asked of it."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import HistoryError
from otel_job_measure.forks import fork_gate
from otel_job_measure.history import ingest, pruning, queries
from otel_job_measure.history.batch import Batch
from otel_job_measure.history.chunks import BESIDE_JOBS, FIRST_BYTES, Pace, Stretch, next_room, stretches
from otel_job_measure.history.errors import BusyHistoryError, DamagedHistoryError
from otel_job_measure.history.queries import RunRecord
from otel_job_measure.history.row_parser import LineReader
from otel_job_measure.history.views import make_views
from otel_job_measure.journal.interfaces import Chunk, Segment

if TYPE_CHECKING:
    import sqlite3

_T = TypeVar("_T")
_log = logging.getLogger(names.LOGGER)
_POLL_S: Final = 0.005
_READ: Final = 4 * 1024 * 1024
_PRUNINGS: Final = 20


class Behind(NamedTuple):
    """What is in segments and not in the history.

    Args:
        bytes: How many bytes.
        points: How many points.
        why: Why they could not be folded in; empty where all are.
    """

    bytes: int = 0
    points: int = 0
    why: str = ""


class History:
    """One row a run, in a file that all processes of a state directory share.

    It is open only during a transaction of some milliseconds; nothing here waits for another process, unless it was
    given a time for that.

    Args:
        path: `history.db` in the state directory. It is made at the first transaction, and `history.lock` beside it.
        retention_s: How long runs are kept after they ended, in seconds.
        clock: The machine's clocks.
        pause: Waits, in seconds, between two looks at a lock that another process holds.
        pace: How much one transaction may do.
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
        # sqlite3 is loaded here and not by the thread that uses it: a fork during its import would hang the child.
        with fork_gate():
            from otel_job_measure.history.database import Database  # noqa: PLC0415 - 7 ms, only where it is used
        self._clock = clock or SystemClock()
        self._pause = pause
        self._pace = pace
        folder = Path(__file__).parent
        self._views = (folder / "views.sql").read_text()
        tables = (folder / "schema.sql").read_text()
        self._database = Database(path, clock=self._clock, versions=[tables + self._views])
        self._pruning = pruning.Pruning(retention_s, self._clock)
        self._reader = LineReader()
        self._positions: dict[str, int] = {}
        self._gone: set[str] = set()
        self._unnoted: dict[str, Stretch] = {}
        self._room = FIRST_BYTES

    @property
    def path(self) -> Path:
        """Returns where it is kept."""
        return self._database.path

    def position(self, segment: str) -> int | None:
        """Returns how much of a segment was folded in when this was last read or written here; None if unknown."""
        return self._positions.get(segment)

    def positions(self, *, patience_s: float = 0.0) -> Mapping[str, int]:
        """Reads how much of each segment is folded in.

        Args:
            patience_s: How long to wait while another process is at it, in seconds.

        Returns:
            Bytes by the segment's name.

        Raises:
            HistoryError: The history cannot be read.
        """
        if self._database.exists():
            found = self._patiently(ingest.positions, patience_s, writes=False)
            self._positions = {name: position for name, position in found.items() if name not in self._gone}
        return self._positions

    def fold(self, chunks: Sequence[Chunk], *, patience_s: float = 0.0) -> None:
        """Folds what chunks of segments say into the runs, in transactions of some milliseconds.

        Args:
            chunks: Each segment's in order; what is folded already is left out.
            patience_s: How long to wait at most while another process is at it, in seconds.

        Raises:
            BusyHistoryError: Another process is at it; what came before is in.
            HistoryError: The history cannot be written.
        """
        folded = [
            self._fold_batch(batch, patience_s) for batch in stretches(chunks, self._positions, lambda: self._room)
        ]
        if any(folded):
            self._prune()

    def forget(self, segments: Iterable[str]) -> None:
        """Deletes what is known of segments that are gone, with the next transaction that folds.

        Args:
            segments: Their names.
        """
        self._gone.update(segments)
        for name in self._gone & self._positions.keys():
            del self._positions[name]
            self._unnoted.pop(name, None)

    def clean(self) -> None:
        """Deletes what is known of segments that are gone.

        Raises:
            HistoryError: The history cannot be written.
        """
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
        """Finds the latest runs.

        Args:
            job: Only runs of this job.
            words: Only runs that one of these says something of: a status or a reason, of `queries.WORDS`.
            since_ns: Only runs that began then or later, in ns since 1970.
            limit: How many at most.
            patience_s: How long to wait while another process is at it, in seconds.

        Returns:
            The runs, the newest first; none where there is no history yet.

        Raises:
            HistoryError: The history cannot be read.
        """
        if not self._database.exists():
            return []
        return self._patiently(
            lambda connection: queries.latest(connection, job=job, words=words, since_ns=since_ns, limit=limit),
            patience_s,
            writes=False,
        )

    def catch_up(self, segments: Sequence[Segment], *, within_s: float = 10.0) -> Behind:
        """Folds in all that segments hold at this moment, as far as that is possible.

        Args:
            segments: Those of living processes too.
            within_s: How long to go on at most, in seconds.

        Returns:
            What is not in, and why.
        """
        ends_ns = self._clock.monotonic_ns() + int(within_s * 1e9)
        why = ""
        try:
            self.positions(patience_s=within_s)
            # A second time for what a file had that was set aside on the way.
            for chunks in chain(self._unfolded(segments), self._unfolded(segments)):
                left_s = (ends_ns - self._clock.monotonic_ns()) / 1e9
                if left_s <= 0:
                    why = f"it takes more than {within_s:g} s"
                    break
                self.fold(chunks, patience_s=left_s)
        except HistoryError as error:
            why = str(error)
        # What living processes have appended since is not what is meant.
        return self._behind(segments, why) if why else Behind()

    def _unfolded(self, segments: Sequence[Segment]) -> Iterator[list[Chunk]]:
        chunks: list[Chunk] = []
        room = _READ
        for segment in segments:
            offset = self._positions.get(segment.name, 0)
            while data := segment.read(offset, room):
                chunks.append(Chunk(segment=segment.name, offset=offset, data=data))
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
        """Folds a batch in; returns whether that took a transaction."""
        said = Batch()
        for stretch in batch:
            self._reader.read(stretch.data, said)
        gone = set(self._gone)
        if not said and not gone:
            self._note_later(batch)
            return False
        noted = [self._with_unnoted(stretch) for stretch in batch]

        def put(connection: "sqlite3.Connection") -> int:
            began_ns = self._clock.monotonic_ns()
            if ingest.fold(connection, said, noted, self._clock.wall_ns()):
                make_views(connection, self._views)
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
        _log.debug("%d bytes with %d runs are in the history, in %.1f ms", used, len(said), took_ns / 1e6)
        return True

    def _note_later(self, batch: Sequence[Stretch]) -> None:
        """Takes signs of life and other comments for folded in: the next runs of their segments are noted with them.

        An idle process with an open run has nothing else, and a transaction a minute would cost more than all of them.
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

    def _prune(self) -> None:
        try:
            for _ in range(_PRUNINGS):
                if not self._pruning.is_due():
                    break
                self._patiently(self._pruning.prune, 0.0)
                self._pause(_POLL_S)  # a fork that waits gets its turn
        except BusyHistoryError:
            pass  # it stays due

    def _patiently(
        self, operation: "Callable[[sqlite3.Connection], _T]", patience_s: float, *, writes: bool = True
    ) -> _T:
        """Does an operation in one transaction, once more where the file was damaged, later where it is locked."""
        ends_ns = self._clock.monotonic_ns() + int(patience_s * 1e9)
        repaired = False
        while True:
            try:
                with self._database.transaction(writes=writes) as connection:
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
