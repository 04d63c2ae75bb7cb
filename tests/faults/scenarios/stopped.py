"""Processes that live and do nothing, or too much, are never taken for gone."""

import signal
from typing import TYPE_CHECKING

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.adoption import adopt
from otel_job_measure.journal.statedir import StateDir
from otel_job_measure.runtime.places import boot_id
from tests.faults.fault import fault

if TYPE_CHECKING:
    from tests.faults.ground import Ground
    from tests.faults.tally import Row

_DAY_NS = 86_400_000_000_000


class Tomorrow(SystemClock):
    """A wall clock by which everything has been silent for a day."""

    @staticmethod
    def wall_ns() -> int:
        return SystemClock.wall_ns() + _DAY_NS


@fault("a process is stopped (SIGSTOP) while others adopt, a day later by their clock", brief=3, long=20)
def stopped(ground: "Ground") -> "Row":
    """Its lock says that it lives, however long it has been silent; its runs end as they end."""
    variables = ground.nowhere()
    state = StateDir(ground.state_dir)
    for _ in range(ground.times):
        app = ground.app("tests.faults.apps.crowd", 2, 20, **variables)
        assert app.line() == "done", app.stderr
        app.send(signal.SIGSTOP)
        with state.adopting() as held:
            assert held
            lost = adopt(state, clock=Tomorrow(), boot_id=boot_id())
        ground.expect(lost == 0, f"{lost} runs of a stopped process were closed")
        app.send(signal.SIGCONT)
        assert app.end() == 0, app.stderr
    return ground.row(ground.adopted())
