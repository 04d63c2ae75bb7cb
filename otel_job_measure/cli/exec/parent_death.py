"""Has the kernel kill a child process when its parent dies, whatever its parent dies of."""

import os
import signal
from contextlib import suppress
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1


def die_with(parent: int) -> None:
    """Has this process get SIGKILL at the end of the thread that forked it; call it in the child.

    The kernel forgets this if the process runs a set-id program. A system without prctl goes without.
    """
    # `_ctypes` is the part of ctypes in C: a third of a millisecond, where all of ctypes takes several.
    with suppress(ImportError, OSError, AttributeError):
        import _ctypes  # noqa: PLC0415 - a Python may lack it; only the child needs it

        itself: Any = None  # typeshed takes a path alone
        prctl = _ctypes.dlsym(_ctypes.dlopen(itself, 0), "prctl")
        _ctypes.call_function(prctl, (_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))
    if os.getppid() != parent:  # it died before the kernel was told
        os.kill(os.getpid(), signal.SIGKILL)
