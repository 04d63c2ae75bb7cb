"""What the history's tests share: lines of runs, chunks of segments, and a look into the file."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otel_job_measure import names
from otel_job_measure.history.history import History
from otel_job_measure.journal.interfaces import Chunk, Identity, SegmentHeader
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.testing import ManualClock

IDENTITY = Identity(host="host-1", boot_id="boot-1", destination="local", label="local", runs=True)
HEADER = SegmentHeader(IDENTITY, slot=7, ordinal=0, created_ns=1)
TAGS = DefaultTags(datacenter="fra", project="billing", stage="production", more=())
NOW_NS = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
LOST = Outcome(reason=names.REASON_LOST)
FAILED = Outcome(reason=names.REASON_ERROR, error_type="ValueError", error_message="no such file")


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The lines of one run.

    Args:
        uuid: Its id.
        job: Its job.
        tags: Its tags.
    """

    uuid: str
    job: str = "nightly"
    tags: DefaultTags = TAGS

    @property
    def series(self) -> Series:
        return Series(self.job, self.tags)

    def start(self, time_ns: int = NOW_NS) -> bytes:
        return start_line(self.series, self.uuid, time_ns)

    def end(
        self,
        time_ns: int = NOW_NS + SECOND,
        outcome: Outcome | None = None,
        *,
        run_row: bool = True,
        traced: bool = True,
    ) -> bytes:
        """Returns the ending, run row first, as it is written."""
        outcome = outcome or Outcome()
        lost = outcome.reason == names.REASON_LOST
        return ending_lines(
            self.series,
            Ending(
                uuid=self.uuid,
                outcome=outcome,
                end_ns=time_ns,
                duration_s=None if lost else 0.75,
                host="host-1",
                trace_id=None if lost or not traced else "0af7651916cd43dd8448eb211c80319c",
                span_id=None if lost or not traced else "b7ad6b7169203331",
            ),
            run_row=run_row,
            error_message=True,
        )

    def old_end(self, time_ns: int = NOW_NS + SECOND, outcome: Outcome | None = None) -> bytes:
        """Returns the old row of an ending alone."""
        return self.end(time_ns, outcome, run_row=False)

    def run_end(self, time_ns: int = NOW_NS + SECOND, outcome: Outcome | None = None) -> bytes:
        """Returns the run row of an ending alone."""
        return self.end(time_ns, outcome).split(b"\n")[0] + b"\n"


def chunk(data: bytes, segment: str = "local-1.lp", offset: int = 0) -> Chunk:
    """Returns a chunk of a segment."""
    return Chunk(segment=segment, offset=offset, data=data, host="host-1")


def no_pause(seconds: float) -> None:
    """Does not wait."""


def history_in(folder: Path, clock: ManualClock | None = None, *, retention_s: float = 30 * 86_400) -> History:
    """Returns the history of a state directory, which is made where it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return History(
        folder / "history.db", retention_s=retention_s, clock=clock or ManualClock(wall=NOW_NS), pause=no_pause
    )


def rows(path: Path, query: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
    """Asks a history as anyone with the sqlite3 program can."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(query, values)]
        connection.commit()
        return found


def runs(history: History) -> list[dict[str, Any]]:
    """Returns the rows of `runs` without ids, in an order that doesn't depend on that of folding."""
    found = rows(history.path, "SELECT * FROM runs ORDER BY job, uuid, project, tags, datacenter, stage")
    return [{name: value for name, value in row.items() if name not in {"id", "job_id", "filed"}} for row in found]


def uuids(history: History, **wanted: object) -> list[str]:
    """Returns the ids of the latest runs."""
    return [run.uuid for run in history.latest(**{"limit": 100, **wanted})]  # type: ignore[arg-type]


@dataclass(eq=False)
class HeldSegment:
    """A segment in memory."""

    name: str
    data: bytes
    header: SegmentHeader = HEADER

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, limit: int) -> bytes:
        cut = self.data[offset : offset + limit]
        return cut[: cut.rfind(b"\n") + 1] or self.data[offset : self.data.find(b"\n", offset) + 1]

    def delete(self) -> None:
        self.data = b""
