"""What happens when the process ends: its own points are sent, for a bounded time."""

import atexit
import logging
import sys
from typing import Protocol
from weakref import WeakSet

from otel_job_measure import names

_log = logging.getLogger(names.LOGGER)


class _Closes(Protocol):
    def close_at_exit(self) -> None: ...


_watched: "WeakSet[_Closes]" = WeakSet()
_hooked = False


def watch(closes: _Closes) -> None:
    """Has something closed when this process ends.

    Args:
        closes: What is closed then; it is kept alive by others.
    """
    global _hooked  # noqa: PLW0603 - it belongs to the process, and its forked children have it too
    _watched.add(closes)
    if not _hooked:
        _hooked = True
        atexit.register(_close_all)
    _hook_child()


def _hook_child() -> None:
    """Sees to it that a child of multiprocessing closes too: it leaves without atexit, or without its parent's.

    Nothing is imported: where there is such a child, multiprocessing is loaded.
    """
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    for closes in list(_watched):
        try:
            closes.close_at_exit()
        except Exception:  # noqa: BLE001 - the process ends, and the others have to be closed too
            _log.exception("the last points could not be sent")
