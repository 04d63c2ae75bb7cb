"""A process that forks exactly while another thread of it delivers, folds, or imports us: `aimed WHAT NAME HOW`.

That thread waits in the middle of it until the fork is under way. `NAME` is the function or the module in which it
waits; `HOW` is how the child ends.
"""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Final

from soak.reporting import Reported, tell, watchdog

if TYPE_CHECKING:
    from otel_job_measure import JobMeasure

_MOST_S: Final = 60.0
_DWELL_S: Final = 0.05


class Held:
    """A step that is held open while the process forks."""

    def __init__(self) -> None:
        self._is_held = False
        self._reached, self._forks, self._forked = threading.Event(), threading.Event(), threading.Event()

    def hold(self, *, until_forked: bool) -> None:
        """Is called in the step, in another thread; the first time it waits.

        Args:
            until_forked: Whether for the end of the fork. What a fork itself waits for is held for a while longer than
                to its beginning, so that a fork that does not wait would come in the middle.
        """
        if self._is_held:
            return
        self._is_held = True
        self._reached.set()
        if not (self._forked if until_forked else self._forks).wait(_MOST_S):
            tell("broken no process forked")
        if not until_forked:
            self._forked.wait(_DWELL_S)

    def fork(self) -> int:
        """Forks when the step is reached."""
        if not self._reached.wait(_MOST_S):
            tell("broken the step never came")
        self._forks.set()
        pid = os.fork()
        self._forked.set()
        return pid


HELD: Final = Held()


class Finder:
    """Holds open the import of one module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == self._name:
            HELD.hold(until_forked=False)
        return None


def job() -> None:
    """Runs a job, by whatever has to be imported for it."""
    from otel_job_measure import JobMeasure  # noqa: PLC0415 - the import is what this is about

    with Reported((_measures or [JobMeasure()])[0].run("aimed")):
        pass


def importing(name: str) -> int:
    """Forks while another thread imports."""
    sys.meta_path.insert(0, Finder(name))
    threading.Thread(target=job).start()
    return HELD.fork()


def calling(name: str, *, until_forked: bool) -> int:
    """Forks while our thread has just called a function that is written in C."""

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call" and getattr(argument, "__name__", "") == name:
            HELD.hold(until_forked=until_forked)

    from otel_job_measure import JobMeasure  # noqa: PLC0415 - see the module

    _measures.append(JobMeasure())
    threading.setprofile(profile)
    job()
    threading.setprofile(None)
    # Delivery comes by itself; the history is folded into when there is much, or at the end.
    ends = threading.Thread(target=_measures[0].flush if until_forked else _measures[0].close, args=(_MOST_S,))
    ends.start()
    pid = HELD.fork()
    if pid:
        ends.join()
    return pid


WAYS: Final[dict[str, Callable[[str], int]]] = {
    "import": importing,
    "delivery": lambda name: calling(name, until_forked=True),
    "fold": lambda name: calling(name, until_forked=False),
}
_measures: "Final[list[JobMeasure]]" = []


def main(what: str, name: str, how: str) -> None:
    """Forks, and lets both run a job afterwards."""
    pid = WAYS[what](name)
    job()
    if pid == 0 and how == "os._exit":
        os._exit(0)
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code:
            tell(f"broken the child ended with {code}")


if __name__ == "__main__":
    watchdog()
    main(*sys.argv[1:])
