"""The times of rows that were deleted for want of room before the history had them: of those it knows nothing."""

import contextlib
import os
from pathlib import Path
from typing import Final

from otel_job_measure.journal.private_files import open_private, read_private

FILE: Final = "dropped"
_MOST: Final = 100
_MOST_BYTES: Final = 64 * 1024

Time = tuple[int, int]
"""A time from its first to its last moment, in ns since 1970."""


def times(root: Path) -> tuple[Time, ...]:
    """Returns the times that were noted in a state directory; none if the file cannot be read, or is damaged."""
    try:
        lines = read_private(root / FILE, _MOST_BYTES).decode().splitlines()
        return tuple((int(first), int(last)) for first, last in (line.split() for line in lines))
    except (OSError, ValueError):
        return ()


def note(root: Path, time: Time) -> None:
    """Adds a time, the oldest of many become one; the caller holds `adopt.lock`."""
    known = [*times(root), time]
    if len(known) > _MOST:
        first, second, *others = known
        known = [(min(*first, *second), max(*first, *second)), *others]
    new = root / f"{FILE}.new"
    with contextlib.suppress(OSError):  # a full disk: the error log has the number of points
        with os.fdopen(open_private(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as file:
            file.writelines(f"{from_ns} {until_ns}\n" for from_ns, until_ns in known)
        new.replace(root / FILE)
