"""Processes that live and do nothing, or too much, are never taken for gone."""

import os
import signal
from typing import TYPE_CHECKING

from soak.adopter import A_DAY, lost_by
from soak.fault import fault
from soak.stepping import held

if TYPE_CHECKING:
    from soak.app import App
    from soak.ground import Ground
    from soak.tally import Row


def stop(ground: "Ground", app: "App") -> None:
    """Stops a process, but not while it closes what others left: everybody would wait for it with that."""
    while True:
        app.send(signal.SIGSTOP)
        os.waitid(os.P_PID, app.pid, os.WSTOPPED)
        if not held([ground.state_dir / "adopt.lock"]):
            return
        app.send(signal.SIGCONT)


@fault("a process is stopped (SIGSTOP) during a recovery pass, a day later by the pass's clock", brief=3, long=20)
def stopped(ground: "Ground") -> "Row":
    """Its lock says that it lives, however long it has been silent; its runs end as they end."""
    variables = ground.nowhere()
    for _ in range(ground.times):
        app = ground.app("soak.apps.crowd", 2, 20, **variables)
        assert app.line() == "done", app.stderr
        stop(ground, app)
        lost = lost_by(ground, A_DAY)
        ground.expect(lost == 0, f"{lost} runs of a stopped process were closed")
        app.send(signal.SIGCONT)
        assert app.end() == 0, app.stderr
    return ground.row(ground.adopted())
