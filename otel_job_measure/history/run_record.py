"""A run as the history knows it, and how what is known of it comes together, whatever the order of arrival."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from otel_job_measure import names

OLD_ROW: Final = 1
"""The row of `scheduling-job` has been seen."""
RUN_ROW: Final = 2
"""The row of `scheduling-job-run` has been seen."""


class Key(NamedTuple):
    """What tells one run from another, besides its uuid: two projects may share a state directory."""

    job: str
    datacenter: str | None
    project: str | None
    stage: str | None
    tags: str
    """The further tags, as JSON with sorted keys."""


class Ending(NamedTuple):
    """One ending of a run, as one or both of its rows tell it; the old row knows its time and status alone."""

    time_ns: int
    rows: int
    status: str
    reason: str | None = None
    duration_s: float | None = None
    host: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    error_type: str | None = None
    error_message: str | None = None

    @property
    def is_sure(self) -> bool:
        """Returns whether this cannot be a lost row, whose old row looks like that of any failure."""
        return self.reason != names.REASON_LOST and (bool(self.rows & RUN_ROW) or self.status == names.STATUS_END)

    @property
    def rank(self) -> tuple[bool, bool, bool, int]:
        """Returns what is greater the surer this is how the run really ended.

        A lost row is somebody's guess, and the real ending of a run that was taken for lost comes later.
        """
        is_real = self.reason != names.REASON_LOST
        return is_real, bool(self.rows & RUN_ROW), self.status == names.STATUS_END, self.time_ns

    def with_other(self, other: "Ending") -> "Ending":
        """Returns what two rows of one time say together."""
        less, fuller = sorted((self, other), key=_fullness)
        merged = [ours if ours is not None else theirs for ours, theirs in zip(fuller, less, strict=True)]
        return Ending._make(merged)._replace(rows=self.rows | other.rows)


class Run:
    """All that is known of one run; made for speed: folding makes one for each three lines.

    Args:
        key: The job and its tags.
        uuid: The run's id.
    """

    __slots__ = ("beaten", "ending", "key", "started_ns", "uuid")

    def __init__(self, key: Key, uuid: str) -> None:
        self.key = key
        self.uuid = uuid
        self.started_ns: int | None = None
        self.ending: Ending | None = None
        """How it ended, as far as is known."""
        self.beaten: Ending | None = None
        """Another ending: that of a run which was taken for lost, and came back."""

    @property
    def settled(self) -> bool:
        """Returns whether another row of this run can only be one that has been seen already."""
        ending = self.ending
        return self.started_ns is not None and ending is not None and ending.is_sure

    def start(self, time_ns: int) -> None:
        """Takes a start; of two different ones, which nobody writes, the first in time."""
        if self.started_ns is None or time_ns < self.started_ns:
            self.started_ns = time_ns

    def end(self, ending: Ending) -> None:
        """Takes an ending, seen already or not."""
        if self.ending is None:
            self.ending = ending
            return
        by_time = {known.time_ns: known for known in self.endings()}
        known = by_time.get(ending.time_ns)
        by_time[ending.time_ns] = ending if known is None else known.with_other(ending)
        ranked = sorted(by_time.values(), key=lambda each: each.rank, reverse=True)
        self.ending = ranked[0]
        self.beaten = ranked[1] if len(ranked) > 1 else None

    def take(self, other: "Run") -> None:
        """Takes all that another one knows of the same run."""
        if other.started_ns is not None:
            self.start(other.started_ns)
        for ending in other.endings():
            self.end(ending)

    def endings(self) -> Iterator[Ending]:
        """Yields each ending that is known, the one that counts first."""
        if self.ending is not None:
            yield self.ending
        if self.beaten is not None:
            yield self.beaten


def _fullness(ending: Ending) -> tuple[int, str]:
    # The text only makes the order of arrival of no account, should two rows of one time ever contradict each other.
    return ending.rows & RUN_ROW, repr(ending)
