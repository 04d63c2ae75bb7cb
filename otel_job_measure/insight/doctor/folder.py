"""The state directory: who may use it, how much room it has, and what is in it."""

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_job_measure import names
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.insight.check import LOOK_NS
from otel_job_measure.insight.doctor.finding import PROBLEM, WARNING, Finding, number, size, span
from otel_job_measure.journal.private_files import names_in
from otel_job_measure.journal.segment import SUFFIX, SegmentFile, destination_of
from otel_job_measure.journal.slots import COUNT, is_living
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.assembly import dies_with_process
from otel_job_measure.settings import Settings

_MIB: Final = 1024 * 1024
_FULL: Final = 16 * _MIB
_SCARCE: Final = 256 * _MIB
_NEAR: Final = 0.8
"""Of the bound on undelivered points."""
_MANY_SLOTS: Final = 800
_VARIABLE: Final = f"{names.ENV_PREFIX}STATE_DIR"
_ENTRIES: Final = ("slots", "ready", "rejected", "expected", "history.db", "adopt.lock")
_REJECTED: Final = "otel-job-measure rejected"
_COMMAND: Final = "otel-job-measure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Closed segments of one destination: their writers are gone, or have gone on.

    Args:
        destination: The id of the destination.
        label: The destination, for people.
        segments: How many.
        bytes: Their size.
        oldest_ns: When the oldest was last written, in ns since 1970.
    """

    destination: str
    label: str
    segments: int
    bytes: int
    oldest_ns: int


def examined(local: Settings, most_bytes: int, now_ns: int) -> Iterator[Finding]:
    """Yields what is found of the folder itself.

    Args:
        local: Settings with the state directory.
        most_bytes: The bound on undelivered points.
        now_ns: The time.
    """
    if local.in_memory:
        advice = f"set {_VARIABLE} to a folder that outlives the process"
        text = "The state directory is memory: what a process could not send ends with it."
        yield Finding(check="state.usable", level=WARNING, text=text, advice=advice)
        return
    root = local.state_path
    state = StateDir(root)
    yield _usable(state)
    if dies_with_process(root):
        text = f"{root} is on a file system that ends with the machine or the container."
        advice = "mount a volume there, so that waiting points outlive it"
        yield Finding(check="state.lasting", level=WARNING, text=text, advice=advice)
    yield from _room(root)
    if not _exists(root):
        return
    yield from _slots(state)
    yield from _held(state, most_bytes)
    yield from _refused(state)
    yield from _unknown(state, now_ns)


def waiting(state: StateDir) -> Iterator[Waiting]:
    """Yields what waits in `ready/`, by destination, the largest first."""
    found: dict[str, list[tuple[str, os.stat_result]]] = {}
    for name, status in _segments(state.ready):
        found.setdefault(destination_of(name), []).append((name, status))
    all_ = [
        Waiting(
            destination=destination,
            label=_label(state.ready / its[0][0]),
            segments=len(its),
            bytes=sum(status.st_size for _, status in its),
            oldest_ns=min(status.st_mtime_ns for _, status in its),
        )
        for destination, its in found.items()
    ]
    return iter(sorted(all_, key=lambda each: -each.bytes))


def _usable(state: StateDir) -> Finding:
    root = state.root
    facts: dict[str, object] = {"path": str(root), "user": _user(os.geteuid())}
    try:
        if _exists(root):
            status = root.stat()
            facts |= {"owner": _user(status.st_uid), "mode": f"{stat.S_IMODE(status.st_mode):04o}"}
        state.check_usable()
        if _exists(root):
            _look_into(state)
    except OSError as error:
        owner = facts.get("owner")
        is_mine = owner in {None, facts["user"]}
        advice = (
            f"let user {facts['user']} write there, or set {_VARIABLE} to another folder"
            if is_mine
            else f"run this as user {owner}, or set {_VARIABLE} to a folder of user {facts['user']}"
        )
        text = f"User {facts['user']} cannot use the state directory {root}: {error.strerror or error}."
        return Finding(check="state.usable", level=PROBLEM, text=text, advice=advice, facts=facts)
    if not _exists(root):
        return Finding(check="state.usable", text=f"{root} is not there yet; the first run makes it.", facts=facts)
    text = f"{root} belongs to {facts['owner']}, mode {facts['mode']}; user {facts['user']} can use it."
    return Finding(check="state.usable", text=text, facts=facts)


def _look_into(state: StateDir) -> None:
    """Raises an `OSError` for an entry that this user cannot use."""
    for name in _ENTRIES:
        entry = state.root / name
        if os.path.lexists(entry):
            needed = os.R_OK | os.W_OK | (os.X_OK if entry.is_dir() else 0)
            if not os.access(entry, needed, effective_ids=os.access in os.supports_effective_ids):
                raise PermissionError(f"{entry} belongs to {_user(entry.lstat().st_uid)} and cannot be written")


def _room(root: Path) -> Iterator[Finding]:
    nearest = next((folder for folder in (root, *root.parents) if _exists(folder)), None)
    try:
        disk = os.statvfs(nearest or "/")
    except OSError:
        return
    free, files = disk.f_bavail * disk.f_frsize, disk.f_favail
    facts = {"free_bytes": free, "free_files": files}
    if free < _FULL or (disk.f_files and not files):
        what = f"{size(free)} are free" if free < _FULL else "no file can be made"
        text = f"The disk of the state directory is full: {what}. New points are kept in memory only."
        advice = f"make room, or set {_VARIABLE} to another disk"
        yield Finding(check="state.room", level=PROBLEM, text=text, advice=advice, facts=facts)
    elif free < _SCARCE:
        text = f"The disk of the state directory has little room: {size(free)}."
        yield Finding(check="state.room", level=WARNING, text=text, advice="make room", facts=facts)
    else:
        yield Finding(check="state.room", text=f"The disk has {size(free)} of room.", facts=facts)


def _slots(state: StateDir) -> Iterator[Finding]:
    living = left = 0
    for folder in state.slot_folders():
        segments = list(_segments(folder))
        if is_living(folder):
            living += 1
        elif segments:
            left += 1
    facts = {"living": living, "left": left, "most": COUNT}
    text = f"{number(living, 'process')} of at most {COUNT} write here"
    text += f"; {number(left, 'process')} ended without closing its files" if left else ""
    if living >= _MANY_SLOTS:
        advice = "run fewer processes in one state directory: above the limit, points are kept in memory"
        yield Finding(check="state.slots", level=WARNING, text=f"{text}.", advice=advice, facts=facts)
        return
    advice = f"the next process that starts here, or `{_COMMAND} ship --once`, ends their runs as lost" if left else ""
    yield Finding(check="state.slots", text=f"{text}.", advice=advice, facts=facts)


def _held(state: StateDir, most: int) -> Iterator[Finding]:
    folders = (state.ready, state.rejected, *state.slot_folders())
    held = sum(status.st_size for folder in folders for _, status in _segments(folder))
    facts = {"bytes": held, "most_bytes": most}
    text = f"Undelivered points take {size(held)} of {size(most)}."
    if held > _NEAR * most:
        advice = f"see what waits; above {names.ENV_PREFIX}MAX_BYTES the oldest points are deleted"
        yield Finding(check="state.bytes", level=WARNING, text=text, advice=advice, facts=facts)
    else:
        yield Finding(check="state.bytes", text=text, facts=facts)


def _refused(state: StateDir) -> Iterator[Finding]:
    files = list(_segments(state.rejected))
    in_bytes = sum(status.st_size for _, status in files)
    facts = {"files": len(files), "bytes": in_bytes}
    if files:
        text = f"The server refused lines for good: {number(len(files), 'file')} of {size(in_bytes)} keep them."
        advice = f"`{_REJECTED}` lists them with the server's reasons"
        yield Finding(check="state.rejected", level=WARNING, text=text, advice=advice, facts=facts)
    else:
        yield Finding(check="state.rejected", text="No line was refused.", facts=facts)


def _unknown(state: StateDir, now_ns: int) -> Iterator[Finding]:
    """Yields the last time of which the history may lack rows, if `check` looks so far back."""
    times = [time for time in state.unknown_times() if time[1] > now_ns - LOOK_NS]
    if times:
        first_ns, last_ns = times[-1]
        text = (
            f"Rows of {number(len(times), 'time')} in the last {span(LOOK_NS / 1e9)} may be missing in the history:"
            " a disk was full, points were in memory, or were deleted or refused. The last such time ended"
            f" {span(max(0, now_ns - last_ns) / 1e9)} ago."
        )
        advice = "see the other findings for the cause; `check` calls jobs that were due then unknown, not missed"
        facts = {"times": len(times), "first_ns": first_ns, "last_ns": last_ns}
        yield Finding(check="state.unknown", level=WARNING, text=text, advice=advice, facts=facts)


def _segments(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yields the segments of a folder; what cannot be looked at is left out."""
    with suppress(OSError):
        for name in names_in(folder):
            if name.endswith(SUFFIX):
                with suppress(OSError):
                    status = (folder / name).lstat()
                    if stat.S_ISREG(status.st_mode):
                        yield name, status


def _label(path: Path) -> str:
    try:
        return SegmentFile.open(path).header.identity.label
    except (OSError, LineProtocolError):
        return "a destination whose name cannot be read"


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return os.path.lexists(path)
    return True


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
