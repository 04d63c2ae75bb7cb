"""Variables that name the process they are meant for: of the wrapper and its command, the command."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

_PROCESS_IDS: Final = (b"LISTEN_PID", b"WATCHDOG_PID", b"SYSTEMD_EXEC_PID")
_LISTEN_PIDFD: Final = b"LISTEN_PIDFDID"


def for_this_process(environment: Mapping[bytes, bytes], parent: int) -> dict[bytes, bytes]:
    """Returns the variables of a parent as they are for its child: systemd's name the process that they are for.

    Call it in the child. A variable that names a third process stays as it is.
    """
    named = [name for name in _PROCESS_IDS if environment.get(name, b"").strip() == b"%d" % parent]
    changed = {**environment, **dict.fromkeys(named, b"%d" % os.getpid())}
    if b"LISTEN_PID" in named and _LISTEN_PIDFD in environment:
        with suppress(OSError):
            descriptor = os.pidfd_open(os.getpid())
            changed[_LISTEN_PIDFD] = b"%d" % os.fstat(descriptor).st_ino
            os.close(descriptor)
    return changed
