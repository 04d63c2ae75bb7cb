"""Something happens at a step of a process's first run, of a later one, or of its end."""

import shutil
import signal
from typing import TYPE_CHECKING, Final

from soak.fault import fault
from soak.stepping import places, stepping

if TYPE_CHECKING:
    from pathlib import Path

    from soak.ground import Ground
    from soak.tally import Row

_DEEDS: Final = ("first", "second", "close")


def at_each_step(ground: "Ground", how: str) -> "Row":
    """Lets something happen at steps of each deed; every try has a state directory of its own.

    Args:
        ground: Where.
        how: What happens.
    """
    tried = 0
    with stepping(ground) as app:
        for what in _DEEDS:
            for place in places(ground, app, what, ground.folder / f"{what}-count"):
                tried += 1
                with ground.apart():
                    folder = ground.folder / f"{what}-{place}"
                    app.say(f"{what} {how} {place} {folder}")
                    code, *children = sorted([app.line() for _ in range(2 if how == "fork" else 1)], reverse=True)
                    wanted = "gone -9 " if how == "kill" else "gone 0 "
                    ground.expect(code.startswith(wanted), f"{what} at step {place} ended with {code}")
                    for child in children:
                        _see_child(ground, folder, int(child.removeprefix("child ")))
                    ground.until_free(list(folder.glob("slots/*/lock")))
                    ground.look(ground.adopted(folder))
                    shutil.rmtree(folder)
    return ground.row(tried=tried)


def _see_child(ground: "Ground", folder: "Path", child: int) -> None:
    """Looks at what a child holds when its parent is gone, and ends it."""
    # Its thread adopts what its parent left, and holds that slot too for as long.
    ground.until_alone(folder)
    ground.end(child, signal.SIGKILL)


@fault("SIGKILL at a step of a run, or of the end of its process", brief=12, long=60)
def killed(ground: "Ground") -> "Row":
    """Whatever the step is, what was told as begun has its start, and each run one ending."""
    return at_each_step(ground, "kill")


@fault("os.fork at a step of a run; the child runs jobs and lives on", brief=12, long=60)
def forked(ground: "Ground") -> "Row":
    """Parent and child each have their own runs, and the child holds nothing of its parent's."""
    return at_each_step(ground, "fork")


@fault("a run in a signal handler at a step of a run", brief=12, long=60)
def handled(ground: "Ground") -> "Row":
    """Both are there, whole, and neither waits for the other."""
    return at_each_step(ground, "handle")
