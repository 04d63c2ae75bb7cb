"""The bound on what the state directory holds."""

import contextlib
import logging
from collections.abc import Callable, Collection
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.segments import SUFFIX
from otel_job_measure.journal.statedir import StateDir

_log = logging.getLogger(names.LOGGER)


def enforce(
    state: StateDir,
    max_bytes: int,
    counters: Counters,
    is_delivered: Callable[[str], bool],
    closed: Collection[Path] = (),
) -> None:
    """Deletes what the bound leaves no room for; the caller holds `adopt.lock`.

    What InfluxDB has and only the history lacks goes first, then the oldest. The segments that are being written are
    never touched: each of them says what is open.

    Args:
        state: The state directory.
        max_bytes: The bound on segments and rejected lines, in bytes.
        counters: Where the points are counted that nobody has now.
        is_delivered: Tells of a segment, by name, whether InfluxDB has all of it.
        closed: Segments of this process that it doesn't write any more.
    """
    sizes = _sizes(state)
    excess = sum(sizes.values()) - max_bytes
    if excess <= 0:
        return
    candidates = [path for path in sizes if path.parent in {state.ready, state.rejected} or path in closed]
    candidates.sort(key=lambda path: (not is_delivered(path.name), _modified_ns(path)))
    points = 0
    for path in candidates:
        if excess <= 0:
            break
        with contextlib.suppress(FileNotFoundError):
            is_lost = path.parent != state.rejected and not is_delivered(path.name)
            points += _points_in(path) if is_lost else 0
            path.unlink()
            excess -= sizes[path]
    if points:
        counters.dropped(points, "max_bytes")
        _log.error("%d undelivered points were deleted: %s holds more than %d bytes", points, state.root, max_bytes)


def _sizes(state: StateDir) -> dict[Path, int]:
    found: dict[Path, int] = {}
    for folder in (state.ready, state.rejected, *state.slot_folders()):
        with contextlib.suppress(FileNotFoundError):
            for path in folder.iterdir():
                if path.suffix == SUFFIX:
                    found[path] = path.stat().st_size
    return found


def _modified_ns(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime_ns
    return 0


def _points_in(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if not line.startswith(b"#"))
