"""What the journal's tests share: a clock that is set by hand, a journal in a folder, lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Identity, Store
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.maintenance import Bound, JournalSource
from otel_job_measure.journal.segment_writer import SegmentWriter
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.line_protocol import Point, parse
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.run_ids import new_run_id
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.testing import ManualClock

TAGS = DefaultTags(datacenter="fra", project="billing", stage="test", more=(("k8s.namespace.name", "a b,c=d"),))
IDENTITY = Identity(host="host-1", boot_id="boot-1", destination="d" * 12, label="somewhere", runs=True)


@dataclass
class Opener:
    """Opens stores of files, and keeps those it opened."""

    state: StateDir
    clock: Clock
    identity: Identity = IDENTITY
    max_bytes: int = 1 << 30
    stores: list[SegmentWriter] = field(default_factory=list[SegmentWriter])
    counters: Counters = field(default_factory=Counters)

    def __call__(self, open_runs: Mapping[str, bytes], before: Store | None, /) -> Store:
        """Opens one."""
        self.state.make()
        store = SegmentWriter(self.state, self.identity, self.clock, open_runs, max_bytes=self.max_bytes, before=before)
        self.stores.append(store)
        return store


def journal_in(
    folder: Path, *, clock: Clock | None = None, max_bytes: int = 1 << 30, identity: Identity = IDENTITY
) -> SegmentJournal:
    """Returns a journal of files that has taken nothing yet."""
    the_clock = clock or SystemClock()
    opener = Opener(StateDir(folder), the_clock, identity, max_bytes)
    return SegmentJournal(opener, clock=the_clock, counters=opener.counters, host="host-1")


def source_of(journal: SegmentJournal, *, max_bytes: int = 1 << 30) -> JournalSource:
    """Returns the reading side of a journal."""
    counters = journal._counters  # pyright: ignore[reportPrivateUsage]
    bound = Bound(max_bytes=max_bytes, counters=counters, is_delivered=lambda _name: False)
    return JournalSource(journal, IDENTITY, bound, clock=journal._clock)  # pyright: ignore[reportPrivateUsage]


def begin(journal: SegmentJournal, job: str = "nightly", uuid: str | None = None) -> str:
    """Begins a run and returns its id."""
    the_uuid = uuid or new_run_id()
    journal.begin(the_uuid, start_line(Series(job, TAGS), the_uuid, journal.stamp()))
    return the_uuid


def ending(job: str, uuid: str, end_ns: int, outcome: Outcome = ENDED) -> bytes:
    """Returns both rows of an ending."""
    return ending_lines(
        Series(job, TAGS),
        Ending(uuid=uuid, outcome=outcome, end_ns=end_ns, duration_s=1.5, host="host-1"),
        run_row=True,
        error_message=False,
    )


def finish(journal: SegmentJournal, uuid: str, job: str = "nightly") -> None:
    """Ends a run well."""
    journal.finish(uuid, ending(job, uuid, journal.stamp()))


def points_in(folder: Path) -> list[Point]:
    """Returns every point below a state directory, whole lines only, in no particular order."""
    return [
        parse(line)
        for path in sorted(folder.rglob("*.lp"))
        if path.parent.name != "rejected"
        for line in whole_lines(path.read_bytes())
        if not line.startswith(b"#")
    ]


def whole_lines(data: bytes) -> list[bytes]:
    """Returns the lines that end with a newline, without it."""
    return data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]


def statuses(points: list[Point]) -> dict[str, list[str]]:
    """Returns the statuses of the old measurement by uuid."""
    found: dict[str, list[str]] = {}
    for point in points:
        if point.measurement == "scheduling-job":
            found.setdefault(str(point.fields["uuid"]), []).append(str(point.fields["status"]))
    return found


__all__ = [
    "IDENTITY",
    "TAGS",
    "ManualClock",
    "Opener",
    "begin",
    "ending",
    "finish",
    "journal_in",
    "points_in",
    "source_of",
    "statuses",
    "whole_lines",
]
