"""Where a process keeps its points, and what it knows of that place."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Identity, Store
from otel_job_measure.journal.memory_store import MemoryStore
from otel_job_measure.journal.segment_writer import SegmentWriter
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings
from otel_job_measure.settings.environment import default_state_dir, process_environment

_STATE_DIR = f"{names.ENV_PREFIX}STATE_DIR"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOUNTS = Path("/proc/mounts")
_FLEETING = {"tmpfs", "ramfs", "overlay", "aufs"}
"""File systems that end with the machine or the container."""
_ESCAPED = {ord(char): f"\\{ord(char):03o}" for char in " \t\n\\"}
"""How the list of mounts writes what would break its lines."""


def identity_of(settings: Settings) -> Identity:
    """Returns what the segments of a process say of it."""
    destination = settings.destination
    return Identity(
        host=os.uname().nodename,
        boot_id=boot_id(),
        destination=settings.destination_id,
        label=destination.label if destination is not None else settings.destination_id,
        runs=settings.runs,
    )


def boot_id() -> str:
    """Returns what tells one boot of this machine from another; empty where the system doesn't say."""
    try:
        return _BOOT_ID.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def dies_with_process(path: Path) -> bool:
    """Returns whether what is written there is gone when the machine or the container is.

    Args:
        path: An absolute path.
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    # Device, folder, kind; of two on one folder the last is the one that is seen.
    kinds = dict(line.split(" ")[1:3] for line in mounts if line.count(" ") > 1)
    real = Path(os.path.realpath(path))  # resolve() raises where links lead in a ring
    folders = (str(folder).translate(_ESCAPED) for folder in (real, *real.parents))
    return next((kinds[folder] for folder in folders if folder in kinds), "") in _FLEETING


def own_state_dir() -> Path | None:
    """Returns the default state directory of this user; None for a user without a home."""
    return default_state_dir(process_environment())


def in_usable_place(settings: Settings) -> tuple[Settings, str]:
    """Returns settings with a state directory that this user can use, and what to log if it is not the one set.

    A user without rights to the machine's state directory keeps runs in the user's own. If that cannot be used either,
    the settings stay, and the journal will be in memory.
    """
    own = own_state_dir()
    if settings.in_memory or own is None or own == settings.state_path:
        return settings, ""
    with contextlib.suppress(OSError):  # a place that no user could use is the journal's to report
        try:
            StateDir(settings.state_path).check_usable()
        except PermissionError as error:
            StateDir(own).check_usable()
            message = f"{_STATE_DIR} ({settings.state_path}) cannot be used ({error}): runs are kept in {own}"
            return settings.changed(state_dir=own), message
    return settings, ""


class StoreOpener:
    """Opens the stores of a journal: files, or memory if there is no place for them.

    Args:
        settings: Where to.
        clock: The machine's clocks.
        counters: Where dropped points are counted.
    """

    def __init__(self, settings: Settings, clock: Clock, counters: Counters) -> None:
        self._settings = settings
        self._clock = clock
        self._counters = counters
        self._identity = identity_of(settings)
        self.in_memory = settings.in_memory
        """Whether the points are in memory, by the settings or because there is no place for files."""

    def __call__(self, open_runs: Mapping[str, bytes], before: Store | None, /) -> Store:
        """Opens a store.

        Raises:
            OSError: The state directory cannot be used.
        """
        if self._settings.in_memory or isinstance(before, MemoryStore):
            return MemoryStore(self._identity, self._clock, self._counters, before)
        state = StateDir(self._settings.state_path)
        state.make()
        max_bytes = self._settings.max_bytes
        store = SegmentWriter(state, self._identity, self._clock, open_runs, max_bytes=max_bytes, before=before)
        self.in_memory = False
        return store

    def memory(self, error: OSError) -> tuple[Store, str]:
        """Returns a store in memory, and the reason for it, to be logged."""
        self.in_memory = True
        place, own = self._settings.state_path, own_state_dir()
        neither = "" if own in {None, place} else f", nor can {own}"
        message = f"{_STATE_DIR} ({place}) cannot be used{neither}: {error}"
        message = f"points are kept in memory and end with this process: {message}"
        return MemoryStore(self._identity, self._clock, self._counters), message
