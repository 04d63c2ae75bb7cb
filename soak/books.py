"""What is known from outside of the runs of a scenario, and what is found of them in the end."""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from otel_job_measure import names

REAL: Final = "ended by itself"
"""An outcome that is not known exactly: anything but `lost`."""
_KINDS: Final = ("start", "run", "end")


class Found(NamedTuple):
    """A point as it was found; two with all of a key alike are one in InfluxDB."""

    measurement: str
    series: tuple[tuple[str, str], ...]
    time_ns: int
    uuid: str
    status: str
    """`start`, `end`, or the reason of a failure where the row has it, else `failed`."""

    @property
    def kind(self) -> str:
        """Returns which of a run's three points it is."""
        if self.measurement == names.RUNS:
            return "run"
        return "start" if self.status == names.STATUS_START else "end"


class Books:
    """The runs that began and their endings, as the processes report them. Threads of the harness write into it."""

    def __init__(self) -> None:
        self.begun: dict[str, str] = {}
        """How each run has to have ended, by uuid; empty where it may have ended in any way."""
        self.broken: list[str] = []
        self.waits_s = array("d")

    def begin(self, uuid: str) -> None:
        """Notes that a run has begun."""
        if uuid in self.begun:
            self.broken.append(f"run {uuid} began twice")
        self.begun.setdefault(uuid, "")

    def end(self, uuid: str, outcome: str = REAL) -> None:
        """Notes that a run has ended: `end`, a reason, or `REAL` for any way but `lost`."""
        self.begun[uuid] = outcome

    def waited(self, seconds: float) -> None:
        """Notes how long a job had to wait for us."""
        self.waits_s.append(seconds)

    def wait_s(self, share: float) -> float | None:
        """Returns what that share of all waits did not exceed, in seconds; None if no wait was reported."""
        if not self.waits_s:
            return None
        return sorted(self.waits_s)[max(0, math.ceil(share * len(self.waits_s)) - 1)]

    def compare(self, points: Iterable[Found]) -> "Compared":
        """Says of the points that were found what is missing and what is too many.

        Args:
            points: As InfluxDB would have them: those with one series and one time are one.
        """
        runs: dict[str, dict[str, list[Found]]] = {uuid: defaultdict(list) for uuid in self.begun}
        for point in _merged(points):
            runs.setdefault(point.uuid, defaultdict(list))[point.kind].append(point)
        found = sum(bool(kinds[kind]) for kinds in runs.values() for kind in _KINDS)
        doubled = sum(max(0, len(kinds[kind]) - 1) for kinds in runs.values() for kind in _KINDS)
        wrong = [words for uuid, kinds in runs.items() if (words := self._wrong(uuid, kinds))]
        return Compared(len(runs), found, doubled, tuple(wrong))

    def _wrong(self, uuid: str, kinds: dict[str, list[Found]]) -> str:
        if missing := [kind for kind in _KINDS if not kinds[kind]]:
            return f"run {uuid} lacks {', '.join(missing)}"
        if any(len(kinds[kind]) > 1 for kind in _KINDS):
            return f"run {uuid} has {[point for kind in _KINDS for point in kinds[kind]]}"
        [end], [row] = kinds["end"], kinds["run"]
        outcome, wanted = row.status, self.begun.get(uuid, "")
        if (end.status == names.STATUS_END) != (outcome == names.STATUS_END) or end.time_ns != row.time_ns:
            return f"run {uuid} has an ending {end} beside a run row {row}"
        if outcome == wanted or not wanted or (wanted == REAL and outcome != names.REASON_LOST):
            return ""
        return f"run {uuid} is {outcome}, not {wanted}"


class Compared(NamedTuple):
    """What was found of all runs."""

    runs: int
    found: int
    doubled: int
    wrong: tuple[str, ...]

    @property
    def expected(self) -> int:
        """Returns how many points there must be."""
        return len(_KINDS) * self.runs


def _merged(points: Iterable[Found]) -> list[Found]:
    return list({(point.measurement, point.series, point.time_ns): point for point in points}.values())
