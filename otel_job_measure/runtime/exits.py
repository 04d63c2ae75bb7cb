"""What happens when the process ends: its own points are sent, for a bounded time."""

import atexit
import sys
from typing import Protocol
from weakref import WeakSet


class _Closes(Protocol):
    def close_at_exit(self) -> None: ...


_watched: "WeakSet[_Closes]" = WeakSet()
_hooked: set[str] = set()


def watch(closes: _Closes) -> None:
    """Has something closed when this process ends.

    Args:
        closes: What is closed then; it is kept alive by others.
    """
    _watched.add(closes)
    if "atexit" not in _hooked:
        _hooked.add("atexit")
        atexit.register(_close_all)


def hook_child() -> None:
    """Sees to it that a child of multiprocessing closes too: before 3.13 it leaves without atexit.

    Nothing is imported: where there is such a child, multiprocessing is loaded.
    """
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    for closes in list(_watched):
        closes.close_at_exit()
