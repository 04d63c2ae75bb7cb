"""Processes that change their user or folder, or leave their descriptors to children."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from soak import found
from soak.adopter import A_DAY, lost_by
from soak.fault import NotHereError, fault

if TYPE_CHECKING:
    from soak.ground import Ground
    from soak.tally import Row

_APP = "soak.apps.changing"


@fault("a process gives up root's rights in the middle of a run", brief=1, long=20, influx=True)
def another_user(ground: "Ground") -> "Row":
    """The process may not touch its state directory any more; its run stays its own, and nothing is lost."""
    if os.geteuid() != 0:
        raise NotHereError("only root can become another user")
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    for _ in range(ground.times):
        app = ground.app(_APP, "another_user", **variables)
        middle = app.line()
        ground.expect(middle == "> in the middle", f"it says {middle!r}: {app.stderr}")
        lost = lost_by(ground, A_DAY)
        ground.expect(lost == 0, f"{lost} runs of a living process were closed")
        app.say("go on")
        code = app.end()
        ground.expect(code == 0, f"it ended with {code}: {app.stderr}")
        ground.expect("Traceback" not in app.stderr, f"it said: {app.stderr}")
    ground.ship(**variables)
    return ground.row(found.in_influx(ground.server, bucket))


@fault("chdir and every umask between runs", brief=2, long=20)
def another_place(ground: "Ground") -> "Row":
    """All stays in its place, and is the owner's alone."""
    for _ in range(ground.times):
        app = ground.app(_APP, "another_place", **ground.nowhere())
        assert app.line() == "> in the middle", app.stderr
        app.say("go on")
        code = app.end()
        ground.expect(code == 0, f"it ended with {code}: {app.stderr}")
    for path in (ground.state_dir, *ground.state_dir.rglob("*")):
        mode = path.stat().st_mode & 0o7777
        ground.expect(mode == (0o700 if path.is_dir() else 0o600), f"{path} has mode {mode:o}")
    return ground.row(ground.adopted())


@fault("a killed process leaves subprocesses that have inherited its descriptors", brief=2, long=20)
def subprocesses(ground: "Ground") -> "Row":
    """None of them keeps its lock: its run is closed while they live on."""
    for _ in range(ground.times):
        app = ground.app(_APP, "subprocesses", **ground.nowhere())
        pid = int(app.line().removeprefix("> "))
        app.send(signal.SIGKILL)
        app.popen.wait()
        lost = lost_by(ground, 0)
        ground.expect(lost == 1, f"{lost} runs are lost where one was open")
        ground.expect(Path(f"/proc/{pid}/exe").resolve().exists(), "the subprocess is gone, and shows nothing")
        app.end()
    return ground.row(ground.adopted())
