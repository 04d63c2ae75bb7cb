"""The recovery pass: the open runs of dead processes are ended as lost, and their segments move to `ready/`."""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.journal import slots
from otel_job_measure.journal.private_files import names_in, open_private
from otel_job_measure.journal.segment import BEGAN, SUFFIX, TEMPORARY_SUFFIX, SegmentFile
from otel_job_measure.journal.slots import Slot
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.journal.watched import WATCHED
from otel_job_measure.points.fields import TAG_NAMES
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.rate_limited_log import LOG, once

_once = once()
_SILENCE_NS = 600_000_000_000
"""How long a slot must be silent if its lock cannot tell: another boot, or no lock file."""
_AHEAD_NS = 60_000_000_000
"""How far ahead of this clock a sign of life may be: a file server's clock may differ a little."""
_HOLD_NS = 30_000_000_000
"""How long a recovery pass waits for the holder of a dead process's run, after the last sign of life."""
_HOLDS = b"# holds "
_RELEASED = b"# released "
_time_of = re.compile(rb"(?: |^# alive )(-?\d{1,18}|[1-8]\d{18})$").search
_status_row = re.compile(rb'scheduling-job[, ].* status="(start|end|failed)",uuid="([^"\\]*)" -?\d+$').match
_run_row = re.compile(rb'scheduling-job-run[, ].*[ ,]uuid="([^"\\]*)"').match


def recover_slots(state: StateDir, *, clock: Clock, boot_id: str) -> int:
    """Makes a recovery pass and returns how many runs are lost; the caller holds `adopt.lock`."""
    lost = 0
    for folder in state.slot_folders():
        try:
            lost += _recover_slot(state, folder, clock, boot_id)
        except FileNotFoundError:
            continue  # a person has deleted it
        except OSError as error:  # another user's, or a full disk: the other slots and the bound come all the same
            _once.warning(f"unrecovered {folder}", "the segments in %s cannot be recovered now: %s", folder, error)
    if lost:
        LOG.warning("runs recorded as lost, because their process died: %d", lost)
    return lost


def _recover_slot(state: StateDir, folder: Path, clock: Clock, boot_id: str) -> int:
    if not any(name.endswith((SUFFIX, TEMPORARY_SUFFIX)) for name in names_in(folder)):
        return 0
    is_missing = not os.path.lexists(folder / "lock")
    if is_missing and not _is_silent(folder, clock):
        return 0  # and the lock stays missing, so that the next pass sees it too
    slot = slots.hold(folder, create=is_missing)
    if slot is None:
        return 0
    was_recovered = False
    try:
        lost = _recover_held(state, slot, clock, boot_id)
        was_recovered = lost is not None
        return lost or 0
    finally:
        # A slot that still waits gets no rest, since the time of its lock would look like a sign of life.
        slot.release() if was_recovered else slot.abandon()


def _recover_held(state: StateDir, slot: Slot, clock: Clock, boot_id: str) -> int | None:
    """Recovers a slot that this process holds; returns how many runs are lost, None if it is too early to say."""
    folder = slot.folder
    # Without the newest segment, an older one would tell of open runs that have ended since: an error ends this here.
    segments = _readable_segments(state, folder)
    lost = 0
    if segments:
        newest, others = segments[-1], segments[:-1]
        if newest.header.identity.boot_id != boot_id and not _is_silent(folder, clock):
            return None
        runs = read_runs(newest, others)
        held, ended = _said_elsewhere(state, folder, runs.started.keys())
        if (held or runs.watched.intersection(runs.started) - ended) and _quiet_ns(
            (segment.path for segment in segments), clock
        ) < _HOLD_NS:
            return None
        lost = close_runs(newest, runs, ended_elsewhere=ended)
    for segment in segments:  # the newest last, for the same reason
        segment.move(state.ready)
    for name in names_in(folder):
        if name.endswith(TEMPORARY_SUFFIX):
            (folder / name).unlink(missing_ok=True)
    return lost


def _readable_segments(state: StateDir, folder: Path) -> list[SegmentFile]:
    for name in names_in(folder):
        try:
            if name.endswith(SUFFIX):
                SegmentFile.open(folder / name)
        except LineProtocolError:
            state.set_aside(folder / name)
    return state.segments_of(folder)


def _said_elsewhere(state: StateDir, own: Path, wanted: Collection[bytes]) -> tuple[set[bytes], set[bytes]]:
    """Returns which of some runs a living slot holds, and which have ended in one."""
    held: set[bytes] = set()
    ended: set[bytes] = set()
    if not wanted:
        return held, ended
    for folder in state.slot_folders():
        if folder != own and slots.is_living(folder):
            for segment in state.segments_of(folder):
                runs = _read(segment, wanted)
                ended |= runs.ended
                held = (held | runs.held) - runs.ended - runs.released
    return held.intersection(wanted), ended.intersection(wanted)


def _is_silent(folder: Path, clock: Clock) -> bool:
    return _quiet_ns(folder.iterdir(), clock) > _SILENCE_NS


def _quiet_ns(paths: Iterable[Path], clock: Clock) -> int:
    """Returns how long ago the newest of some files was written; a time of the future counts from now on."""
    now_ns = clock.wall_ns()
    quiet_ns = _SILENCE_NS + 1
    for path in paths:
        ago_ns = now_ns - path.lstat().st_mtime_ns
        if ago_ns < -_AHEAD_NS:  # the clock was set back, and may not reach that time for years
            _once.warning("ahead", "%s was written in the future: the clock is or was wrong", path)
            _touch(path, now_ns)
            ago_ns = 0
        quiet_ns = min(quiet_ns, ago_ns)
    return quiet_ns


def _touch(path: Path, now_ns: int) -> None:
    try:
        os.utime(path, ns=(now_ns, now_ns), follow_symlinks=False)
    except PermissionError:  # another user's, in a shared folder
        os.utime(path, follow_symlinks=False)


class Runs:
    """What segments say of runs."""

    def __init__(self, greatest_ns: int) -> None:
        self.greatest_ns = greatest_ns
        self.started: dict[bytes, bytes] = {}
        """The start lines of runs without an ending, by uuid."""
        self.run_rows: dict[bytes, bytes] = {}
        """The run rows whose old row is missing, by uuid."""
        self.ended: set[bytes] = set()
        self.held: set[bytes] = set()
        """The runs of other processes that this one may end."""
        self.begun: dict[bytes, bytes] = {}
        """The start lines of held runs, by uuid; those that are known."""
        self.released: set[bytes] = set()
        self.watched: set[bytes] = set()
        """The runs of which another process may know how they ended."""

    def note(self, line: bytes) -> None:
        """Notes what a line says."""
        if found := _time_of(line):
            self.greatest_ns = max(self.greatest_ns, int(found[1]))
        if found := _status_row(line):
            status, uuid = found.groups()
            if status == names.STATUS_START.encode():
                self.started[uuid] = line
            else:
                self._close(uuid, self.ended)
        elif found := _run_row(line):
            self.run_rows[found[1]] = line
        elif line.startswith(_HOLDS):
            self.held.add(line[len(_HOLDS) :])
        elif line.startswith(BEGAN) and (found := _status_row(line[len(BEGAN) :])):
            self.begun[found[2]] = line[len(BEGAN) :]
        elif line.startswith(_RELEASED):
            self._close(line[len(_RELEASED) :], self.released)
        elif line.startswith(WATCHED):
            self.watched.add(line[len(WATCHED) :].partition(b" ")[0])

    def forget_closed(self) -> None:
        """Forgets which runs have ended: a segment that is read for days names any number of them."""
        self.ended.clear()
        self.released.clear()

    def _close(self, uuid: bytes, closed: set[bytes]) -> None:
        self.started.pop(uuid, None)
        self.run_rows.pop(uuid, None)
        self.begun.pop(uuid, None)
        self.held.discard(uuid)
        closed.add(uuid)


def read_runs(newest: SegmentFile, others: Sequence[SegmentFile] = ()) -> Runs:
    """Returns what a journal's newest segment says of its runs.

    An interrupted rotation leaves a newest segment without appends: the endings are then in an older one.
    """
    runs = _read(newest)
    for other in others if runs.started else ():
        older = _read(other)
        runs.greatest_ns = max(runs.greatest_ns, older.greatest_ns)
        for uuid in older.ended | older.released:
            runs.started.pop(uuid, None)
    return runs


def close_runs(newest: SegmentFile, runs: Runs, *, ended_elsewhere: Collection[bytes] = ()) -> int:
    """Appends the endings that a segment lacks, and returns how many runs are lost; the caller holds the slot's lock.

    The timestamps come from the segments alone, after their greatest one, so that a second pass writes the same.
    """
    lines = [_old_row_of(row) for row in runs.run_rows.values() if _is_of_a_run(row)]
    lost = 0
    for uuid, start in runs.started.items():
        if uuid in ended_elsewhere or not _is_of_a_run(start) or _is_of_a_run(runs.run_rows.get(uuid, b"")):
            continue
        lost += 1
        end_ns = (runs.greatest_ns // 1000 + lost) * 1000 + newest.header.slot
        identity = newest.header.identity
        lines.append(
            _ending_of(start, reason=names.REASON_LOST, end_ns=end_ns, host=identity.host, run_row=identity.runs)
        )
    if lines:
        _append(newest, newest.size(), b"".join(lines))
    return lost


def _read(segment: SegmentFile, wanted: Collection[bytes] | None = None) -> Runs:
    """Reads what a segment says of runs, or only the parts that name some of them."""
    runs = Runs(segment.header.created_ns)
    offset = 0
    while chunk := segment.read(offset, 1024 * 1024):
        offset += len(chunk)
        if wanted is None or any(uuid in chunk for uuid in wanted):
            for line in chunk.split(b"\n"):
                runs.note(line)
    return runs


def _is_of_a_run(line: bytes) -> bool:
    """Returns whether an ending can be made of a line: another program may have written into the file."""
    try:
        point = parse(line)
    except LineProtocolError:
        return False
    return names.TAG_JOB in point.tags and names.FIELD_UUID in point.fields


def _old_row_of(run_row: bytes) -> bytes:
    """Returns the old row that was to follow a run row when its process was killed."""
    point = parse(run_row)
    reason = point.tags.get(names.TAG_REASON)
    return _ending_of(run_row, reason=reason, end_ns=point.time_ns or 0, host="", run_row=False)


def _ending_of(line: bytes, *, reason: str | None, end_ns: int, host: str, run_row: bool) -> bytes:
    """Returns the ending of the run that a line is about, in the line's series."""
    point = parse(line)
    default_tags = DefaultTags(
        datacenter=point.tags.get(names.TAG_DATACENTER),
        project=point.tags.get(names.TAG_PROJECT),
        stage=point.tags.get(names.TAG_STAGE),
        more=tuple((name, value) for name, value in point.tags.items() if name not in TAG_NAMES),
    )
    ending = Ending(uuid=str(point.fields[names.FIELD_UUID]), outcome=Outcome(reason=reason), end_ns=end_ns, host=host)
    return ending_lines(Series(point.tags[names.TAG_JOB], default_tags), ending, run_row=run_row, error_message=False)


def _append(segment: SegmentFile, end: int, lines: bytes) -> None:
    fd = open_private(segment.path, os.O_WRONLY | os.O_APPEND)
    try:
        os.ftruncate(fd, end)  # the line that its writer was killed in
        if os.write(fd, lines) != len(lines):
            os.ftruncate(fd, end)
            raise OSError(f"no room for the endings of lost runs in {segment.path}")
    finally:
        os.close(fd)
