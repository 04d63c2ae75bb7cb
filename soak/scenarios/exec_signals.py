"""Signals to `exec`: the command gets each once, and is gone when its wrapper is killed."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_job_measure.cli.exec.arrivals import HELD
from soak.fault import fault
from tests.support.exec_ import LISTEN

if TYPE_CHECKING:
    from soak.app import App
    from soak.ground import Ground
    from soak.tally import Row

_ENDS: Final = signal.SIGUSR2
"""The listening command exits with 7 at it."""
_PROBE: Final = signal.SIGALRM
"""What is told after another signal was told, when the wrapper has dealt with that one to the end."""
_SENT: Final = sorted(HELD - {_ENDS, _PROBE, signal.SIGCHLD})
_EXEC: Final = ("exec", "--env-file", "/dev/null", "job", "--")


@fault("every signal to `exec`, to it alone and to its process group; `exec` is killed", brief=1, long=20)
def signals(ground: "Ground") -> "Row":
    """The command tells each signal once; a killed wrapper takes it along, and its run is lost."""
    variables = ground.nowhere()
    for _ in range(ground.times):
        app = ground.command(*_EXEC, *LISTEN, **variables)
        assert app.line() == "ready", app.stderr
        for number in ground.rng.sample(_SENT, len(_SENT)):
            for send in ground.rng.sample((os.kill, os.killpg), 2):
                send(app.pid, number)
                told = app.line()
                ground.expect(told == str(int(number)), f"{send.__name__} {number!r} is told as {told}")
                ground.until(partial(_is_taken, app), "the wrapper has taken a signal")
                app.send(_PROBE)
                ground.expect(app.line() == str(int(_PROBE)), f"{send.__name__} {number!r} comes twice")
        app.send(_ENDS)
        ground.expect(app.line() == "", "a signal came twice")
        ground.expect(app.end() == 7, "the exit code is not the command's")
        killed = ground.command(*_EXEC, "sh", "-c", "echo ready; while :; do sleep 0.1; done", **variables)
        assert killed.line() == "ready", killed.stderr
        ground.moment(0.05)
        killed.kill()  # waits until no process holds its output
    points = ground.adopted()
    lost = sum(point.status == "lost" for point in points)
    ground.expect(lost == ground.times, f"{lost} runs of {ground.times} killed wrappers are lost")
    return ground.row(points)


def _is_taken(app: "App") -> bool:
    return "ShdPnd:\t0000000000000000" in Path(f"/proc/{app.pid}/status").read_text()
