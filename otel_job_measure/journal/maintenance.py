"""The bound on what the state directory holds."""

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from otel_job_measure import names
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.segment import SUFFIX
from otel_job_measure.journal.state_dir import StateDir

_log = logging.getLogger(names.LOGGER)


def enforce(
    state: StateDir,
    max_bytes: int,
    counters: Counters,
    is_delivered: Callable[[str], bool],
    closed: Collection[str] = (),
) -> None:
    """Deletes what the bound leaves no room for; the caller holds `adopt.lock`.

    What InfluxDB has and only the history lacks goes first, then the oldest. The segments that are being written are
    never touched: each of them says what is open.

    Args:
        state: The state directory.
        max_bytes: The bound on segments and rejected lines, in bytes.
        counters: Where the points are counted that nobody has now.
        is_delivered: Tells of a segment, by name, whether InfluxDB has all of it.
        closed: The paths of segments of this process that it doesn't write any more.
    """
    excess = sum(file.status.st_size for file in _files(state)) - max_bytes
    if excess <= 0:
        return
    points = own = 0
    for _, _, size, path, is_lost in sorted(_candidates(state, is_delivered, closed)):
        if excess <= 0:
            break
        with contextlib.suppress(FileNotFoundError):
            lost = _points_in(path) if is_lost else 0
            Path(path).unlink()
            points, own = points + lost, own + (lost if path in closed else 0)
            excess -= size
    if points:
        counters.dropped(points, "max_bytes", own=own)
        _log.error("%d undelivered points were deleted: %s holds more than %d bytes", points, state.root, max_bytes)


class _File(NamedTuple):
    """A segment or a file of rejected lines; not with its path as such, since there can be a hundred thousand."""

    folder: Path
    path: str
    status: os.stat_result


def _candidates(
    state: StateDir, is_delivered: Callable[[str], bool], closed: Collection[str]
) -> Iterator[tuple[bool, int, int, str, bool]]:
    """Yields what may go: whether anybody lacks it, its age, size and path, and whether its points would be lost."""
    for folder, path, status in _files(state):
        if folder in {state.ready, state.rejected} or path in closed:
            is_wanted = not is_delivered(path.rpartition("/")[2])
            yield is_wanted, status.st_mtime_ns, status.st_size, path, is_wanted and folder != state.rejected


def _files(state: StateDir) -> Iterator[_File]:
    for folder in (state.ready, state.rejected, *state.slot_folders()):
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with contextlib.suppress(FileNotFoundError):
                        yield _File(folder, entry.path, entry.stat(follow_symlinks=False))


def _points_in(path: str) -> int:
    with Path(path).open("rb") as file:
        return sum(1 for line in file if not line.startswith(b"#"))
