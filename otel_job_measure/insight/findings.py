"""What can be found of a job: every state with its level, what makes it and what clears it."""

from dataclasses import dataclass
from typing import Final, NamedTuple

OK: Final = 0
WARNING: Final = 1
CRITICAL: Final = 2
UNKNOWN_LEVEL: Final = 3

SILENT: Final = "silent"
OVERRUN: Final = "overrun"
MISSED: Final = "missed"
NEVER_RAN: Final = "never ran"
FAILING: Final = "failing"
STALE: Final = "stale"
UNKNOWN: Final = "unknown"
TOO_OFTEN: Final = "too often"
TOO_SHORT: Final = "too short"
LATE: Final = "late"
SLOWER: Final = "slower"
RUNNING: Final = "running"
FINE: Final = "ok"
HOST_SILENT: Final = "host silent"
CLOCK: Final = "clock"


class Kind(NamedTuple):
    """A state, as docs/monitor.md shows it."""

    name: str
    level: int
    holds: str
    clears: str


STATES: Final = (
    Kind(
        SILENT, CRITICAL, "a run is open, and its signs of life stopped for 3 intervals", "a sign of life, or its end"
    ),
    Kind(OVERRUN, CRITICAL, "a run is open beyond `max_runtime`, or the last one ended beyond it", "an end within it"),
    Kind(MISSED, CRITICAL, "no run started for a due time within its grace", "a run that matches, or a later success"),
    Kind(NEVER_RAN, CRITICAL, "no run started for a due time, and the job has never run", "the first run"),
    Kind(FAILING, CRITICAL, "as many failures in a row as `failures` says", "a success"),
    Kind(STALE, CRITICAL, "the last success is older than `max_age`", "a success"),
    Kind(UNKNOWN, UNKNOWN_LEVEL, "nothing is known of a due time or a limit", "data"),
    Kind(
        TOO_OFTEN, WARNING, "the last two starts are less than `min_interval` apart", "a start far enough from the last"
    ),
    Kind(TOO_SHORT, WARNING, "the last run took less than `min_runtime`", "a run that takes at least so long"),
    Kind(LATE, WARNING, "a due time passed, and its grace has not", "a run that matches; else it becomes `missed`"),
    Kind(SLOWER, WARNING, "the median of the last runs is far above that of the runs before", "faster runs"),
    Kind(RUNNING, OK, "a run is open", "its end"),
    Kind(FINE, OK, "nothing else holds", "anything else"),
)
"""All states of a job. The first one that holds is the state of the job."""

LEVELS: Final = {kind.name: kind.level for kind in STATES} | {HOST_SILENT: CRITICAL, CLOCK: WARNING}
ORDER: Final = {kind.name: place for place, kind in enumerate(STATES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that holds of a job.

    Args:
        name: One of `STATES`.
        since_ns: Since when it holds, in ns since 1970.
        from_before: Whether it may have begun before the time that was looked at.
        due_ns: The due time that it is about.
        uuid: The run that it is about.
        detail: What else is known, in words.
        is_behind: Whether rows are missing: it says something about the store, not about the job.
    """

    name: str
    since_ns: int
    from_before: bool = False
    due_ns: int | None = None
    uuid: str | None = None
    detail: str = ""
    is_behind: bool = False

    @property
    def level(self) -> int:
        """0 for ok, 1 for a warning, 2 for critical, 3 for unknown."""
        return LEVELS[self.name]
