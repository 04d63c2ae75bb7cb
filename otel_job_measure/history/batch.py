"""What a batch of lines says of runs."""

from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.history.run_record import Ending, Key, Run

Place = tuple[str, Key]
"""A run's uuid and key: what tells it from all others."""

Runs = dict[Place, Run]
"""Runs by uuid and key."""

Whole = tuple[Any, ...]
"""A row that is ready for the file: the values of `WHOLE`, with an empty text for each that is missing.

SQLite's driver takes several times as long for a None as for a text.
"""

WHOLE: Final = (
    *("job", "datacenter", "project", "stage", "tags", "uuid", "started_ns", "ended_ns", "status", "reason"),
    *("success", "duration_s", "host", "trace_id", "span_id", "error_type", "error_message", "ending_rows"),
)
"""The columns of a run of which there is nothing more to come."""
ALWAYS: Final = frozenset({"job", "tags", "uuid", "started_ns", "ended_ns", "status", "success", "ending_rows"})
"""Those of them that no such run lacks."""


class Batch:
    """What some lines say of runs: of nearly all of them, a start and then an ending.

    Such a run goes into the file as it is, unless the file knows something of it. A start that comes again waits among
    the starts until somebody asks for its run.
    """

    __slots__ = ("runs", "starts", "whole")

    starts: dict[Place, int]
    """When runs began of which nothing else has been seen."""
    whole: dict[Place, Whole]
    """Runs of which one start has been seen, and one ending that is sure."""
    runs: Runs
    """All others."""

    def __init__(self) -> None:
        self.starts = {}
        self.whole = {}
        self.runs = {}

    def __len__(self) -> int:
        """Returns how many runs there are."""
        return len(self.starts) + len(self.whole) + len(self.runs)

    def start(self, place: Place, time_ns: int) -> None:
        """Takes a start."""
        if self.starts.setdefault(place, time_ns) is not time_ns:
            self.run(place).start(time_ns)

    def end(self, place: Place, ending: Ending) -> None:
        """Takes an ending."""
        known = place in self.whole or place in self.runs
        started_ns = None if known or not ending.is_sure else self.starts.pop(place, None)
        if started_ns is None:
            self.run(place).end(ending)
        else:
            time_ns, rows, status, reason, duration_s, *details = ending
            texts = (text or "" for text in details)
            ended = (started_ns, time_ns, status, reason or "", SUCCESS[status])
            key = (text or "" for text in place[1])
            self.whole[place] = (*key, place[0], *ended, "" if duration_s is None else duration_s, *texts, rows)

    def run(self, place: Place) -> Run:
        """Gives a run that there is more to say of."""
        known = self.runs.get(place)
        if known is None:
            uuid, key = place
            whole = self.whole.pop(place, None)
            known = self.runs[place] = Run(key, uuid) if whole is None else _run(key, whole)
        started_ns = self.starts.pop(place, None)
        if started_ns is not None:
            known.start(started_ns)
        return known

    def rest(self) -> Runs:
        """Gives all runs that are not whole, when all lines are read."""
        for place in list(self.starts):
            self.run(place)
        return self.runs


SUCCESS: Final = {names.STATUS_END: 1.0, names.STATUS_FAILED: 0.0}
"""What the field `success` says of a status."""


def _run(key: Key, whole: Whole) -> Run:
    uuid, started_ns, ended_ns, status, reason, _, duration_s, *details, rows = whole[5:]
    run = Run(key, uuid)
    run.started_ns = started_ns
    texts = (text or None for text in details)
    run.ending = Ending(ended_ns, rows, status, reason or None, None if duration_s == "" else duration_s, *texts)
    return run
