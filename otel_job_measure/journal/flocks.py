"""The flock of a descriptor, or the news that this system has none."""

import sys

if sys.platform == "win32":  # pragma: no cover - then points are kept in memory
    IS_AVAILABLE = False

    def flock_at_once(fd: int) -> None:
        """Takes nothing.

        Raises:
            OSError: Always.
        """
        msg = f"this system has no flock for descriptor {fd}"
        raise OSError(msg)

else:
    import fcntl

    IS_AVAILABLE = True

    def flock_at_once(fd: int) -> None:
        """Takes a descriptor's flock, at once or not at all; it ends when its last descriptor is closed.

        Raises:
            BlockingIOError: Someone else holds it.
            OSError: The file system has no flock.
        """
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
