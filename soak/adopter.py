"""Another process that runs a recovery pass, with its own clock."""

from typing import TYPE_CHECKING, Final

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.assembly import boot_id

if TYPE_CHECKING:
    from soak.ground import Ground

_MINUTE_NS: Final = 60_000_000_000
A_DAY: Final = 1440
"""In minutes."""


class Later(SystemClock):
    """A wall clock that is ahead, so that everything has been silent for longer.

    Args:
        minutes: By how much.
    """

    def __init__(self, minutes: int) -> None:
        self._ahead_ns = minutes * _MINUTE_NS

    def wall_ns(self) -> int:
        return SystemClock.wall_ns() + self._ahead_ns


def lost_by(ground: "Ground", minutes: int) -> int:
    """Adopts by a clock that is ahead; returns how many runs were ended as lost.

    Args:
        ground: Where.
        minutes: How far ahead.
    """
    state = StateDir(ground.state_dir)
    lost: list[int] = []

    def have_adopted() -> bool:
        with state.adopting() as held:  # a process that has just begun may be at it itself
            if held:
                lost.append(recover_slots(state, clock=Later(minutes), boot_id=boot_id()))
        return held

    ground.until(have_adopted, "no other recovery pass runs")
    return lost[0]
