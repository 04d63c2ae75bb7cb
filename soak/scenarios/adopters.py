"""A recovering process is itself killed, or forks, at each of its steps."""

import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from soak import found
from soak.fault import fault
from soak.stepping import places, stepping

if TYPE_CHECKING:
    from soak.ground import Ground
    from soak.tally import Row

_PROCESSES = 3
_SMALL = {"OTEL_JOB_MEASURE_MAX_BYTES": str(1 << 20)}
"""Segments are small, and there are several of a process."""


def left(ground: "Ground") -> Path:
    """Returns a state directory that processes left which were killed in the middle of their jobs."""
    folder = ground.folder / "left"
    variables = ground.nowhere(OTEL_JOB_MEASURE_STATE_DIR=str(folder), **_SMALL)
    apps = [ground.app("soak.apps.lives", **variables) for _ in range(_PROCESSES)]
    for app in apps:
        app.say(f"begin {ground.rng.random()} busy")
    pids = [int(app.line().removeprefix("pid ")) for app in apps]
    ground.until(lambda: all(app.reports > 200 for app in apps), "all have run some jobs")
    for pid in pids:
        ground.end(pid, signal.SIGKILL)
    for app in apps:
        assert app.end() == 0, app.stderr
    with max(folder.glob("slots/*/*.lp"), key=lambda path: path.stat().st_mtime_ns).open("ab") as file:
        file.write(b"scheduling-job,job=half a li")
    return folder


class Copies:
    """Copies of what was left: each try has one of its own.

    Args:
        ground: Where.
    """

    def __init__(self, ground: "Ground") -> None:
        self._ground = ground
        self._left = left(ground)
        self._made = 0
        self.clean = set(found.adopted(self.copy()))

    def copy(self) -> Path:
        """Returns a new one."""
        self._made += 1
        folder = self._ground.folder / f"copy-{self._made}"
        shutil.copytree(self._left, folder)
        return folder

    def look(self, folder: Path) -> None:
        """Runs an undisturbed recovery pass there, for comparison."""
        points = found.adopted(folder)
        self._ground.expect(self.clean <= set(points), f"{folder.name}: other points than without the fault")
        self._ground.look(points)
        shutil.rmtree(folder)


@fault("a recovery pass is killed at one of its steps, another follows", brief=25, long=100)
def killed(ground: "Ground") -> "Row":
    """The second pass ends each run that is left, with the same rows that the first would have written."""
    copies = Copies(ground)
    with stepping(ground) as app:
        tried = places(ground, app, "adopt", copies.copy())
        for place in tried:
            folder = copies.copy()
            app.say(f"adopt kill {place} {folder}")
            assert app.line() == "gone -9 ", app.stderr
            copies.look(folder)
    return ground.row(tried=len(tried))


@fault("a process forks at one of the steps of a recovery pass", brief=25, long=100)
def forks(ground: "Ground") -> "Row":
    """Its child lives on, runs jobs, and holds no lock of its parent's."""
    copies = Copies(ground)
    with stepping(ground) as app:
        tried = places(ground, app, "adopt", copies.copy())
        for place in tried:
            folder = copies.copy()
            with ground.apart():
                app.say(f"adopt fork {place} {folder}")
                child, code = sorted([app.line(), app.line()])
                ground.expect(code.startswith("gone 0 "), f"at step {place} the adopter ended with {code}")
                # The child's own thread adopts too, and takes and gives back the lock for that.
                ground.until_free([folder / "adopt.lock"])
                ground.until_alone(folder)
                ground.end(int(child.removeprefix("child ")), signal.SIGKILL)
                ground.until_free(list(folder.glob("slots/*/lock")))
                copies.look(folder)
    return ground.row(tried=len(tried))
