"""Dead letters: lines that a server refused for good, each below a comment with the time and the server's message.

A file of dead letters is a segment. To send its lines again, the file moves to `ready/`.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import LineProtocolError, StateDirError
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.journal.interfaces import Identity, SegmentHeader
from otel_job_measure.journal.kept_output import BEGIN
from otel_job_measure.journal.private_files import names_in, read_private
from otel_job_measure.journal.segment import MARK, MOST_BYTES, SUFFIX, create, decode_header, destination_of
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.rate_limited_log import LOG

_FILE_BYTES = 1024 * 1024
"""A file holds at most this much, so that `max_bytes` can delete the oldest."""
_PART_BYTES = 16 * 1024 * 1024
_TRIES = 1000
_OUTPUT = BEGIN.encode()
"""The end of a command's output, in a segment that was set aside: it is no message of a server."""
_PAUSE_S = 0.005
_MOST_LOGGED = 4096
_dated = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (.*)").fullmatch


class DeadLetterFiles:
    """Keeps refused lines in files."""

    def __init__(self, folder: Path, identity: Identity, clock: Clock | None = None) -> None:
        """Makes nothing yet."""
        self._folder = folder
        self._identity = identity
        self._clock = clock or SystemClock()
        self._path: Path | None = None

    def put(self, line: bytes, message: str) -> None:
        """Keeps one line, without its newline, with the time and the server's message."""
        at = datetime.fromtimestamp(self._clock.wall_ns() // 10**9, UTC)
        comment = f"# {at:%Y-%m-%dT%H:%M:%SZ} {' '.join(message.split())}\n".encode(errors="replace")
        try:
            self._append(comment + line + b"\n")
        except OSError as error:
            LOG.error("a refused line cannot be kept (%s): %r, refused with: %s", error, line[:_MOST_LOGGED], message)

    def _append(self, data: bytes) -> None:
        taken = self._open()
        try:
            end = os.lseek(taken.fd, 0, os.SEEK_END)
            if os.write(taken.fd, data) != len(data):
                os.ftruncate(taken.fd, end)
                raise OSError("no room")
        finally:
            taken.release()

    def _open(self) -> Lock:
        """Opens the present file and locks it, so that a command that moves it loses no line."""
        taken = None
        if self._path is not None and _has_room(self._path):
            taken = lock(self._path, create=False)
        while taken is None:  # there is none, or a command has it
            fd, segment = create(self._folder, _header(self._identity, self._clock))
            os.close(fd)
            self._path = segment.path
            taken = lock(self._path, create=False)
        return taken


def _has_room(path: Path) -> bool:
    try:
        return path.lstat().st_size < _FILE_BYTES
    except FileNotFoundError:  # a command has moved it
        return False


class LoggedDeadLetters:
    """Logs refused lines, for a journal in memory."""

    def put(self, line: bytes, message: str) -> None:
        """Logs one line with the server's message."""
        LOG.error("a line was refused, and there is no folder to keep it in: %r: %s", line[:_MOST_LOGGED], message)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A line that a server refused."""

    file: str
    destination: str
    line: bytes
    message: str
    """The server's message."""
    refused_at: str | None
    """In ISO 8601, UTC; None if the file does not say."""


def dead_letters(state: StateDir) -> tuple[list[DeadLetter], dict[str, int]]:
    """Returns all dead letters, the oldest first, and the size of each file that was read."""
    letters: list[DeadLetter] = []
    sizes: dict[str, int] = {}
    for path in _files(state):
        data = _content(path)
        if data is not None:
            sizes[path.name] = len(data)
            letters += _letters(path.name, data)
    return sorted(letters, key=lambda letter: letter.refused_at or ""), sizes


def retry(state: StateDir, identity: Identity, *, clock: Clock | None = None) -> int:
    """Moves the dead letters of a destination to `ready/`, to be sent again; returns how many lines."""
    count = 0
    for path in _files(state):
        if destination_of(path.name) != identity.destination:
            continue
        taken = _locked(path)
        if taken is not None:
            try:
                data = _content(path)
                if data is None:
                    continue
                count += len(list(_letters(path.name, data)))
                if _has_header(data):
                    path.rename(state.ready / path.name)
                else:
                    put_into_ready(state, identity, data, clock=clock)
                    path.unlink()
            finally:
                taken.release()
    return count


def discard(state: StateDir, sizes: Mapping[str, int]) -> int:
    """Deletes the first bytes of files, as `dead_letters` gave their sizes, and keeps later lines; returns how many."""
    count = 0
    for path in _files(state):
        taken = _locked(path) if path.name in sizes else None
        if taken is not None:
            try:
                data = _content(path)
                if data is None:
                    continue
                gone, later = data[: sizes[path.name]], data[sizes[path.name] :]
                count += len(list(_letters(path.name, gone)))
                if later:  # only files with a header grow
                    header = decode_header(gone[: gone.find(b"\n") + 1])
                    os.close(create(state.rejected, header, later)[0])
                path.unlink()
            finally:
                taken.release()
    return count


def put_into_ready(state: StateDir, identity: Identity, lines: bytes, *, clock: Clock | None = None) -> None:
    """Puts lines into `ready/`, to be sent like any others, in files that readers take."""
    begin = 0
    while begin < len(lines):
        end = len(lines)
        if end - begin > _PART_BYTES:
            end = lines.rfind(b"\n", begin, begin + _PART_BYTES) + 1 or lines.find(b"\n", begin) + 1 or end
        os.close(create(state.ready, _header(identity, clock or SystemClock()), lines[begin:end])[0])
        begin = end


def _header(identity: Identity, clock: Clock) -> SegmentHeader:
    return SegmentHeader(identity, slot=0, ordinal=0, created_ns=clock.wall_ns())


def _has_header(data: bytes) -> bool:
    try:
        decode_header(data[: data.find(b"\n") + 1])
    except LineProtocolError:
        return False
    return True


def _files(state: StateDir) -> list[Path]:
    try:
        return [state.rejected / name for name in sorted(names_in(state.rejected)) if name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateDirError(f"{state.rejected} cannot be read: {error}") from error


def _content(path: Path) -> bytes | None:
    """Returns what a file holds; None, and says why, if it is no file of dead letters."""
    try:
        return read_private(path, MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        LOG.error("%s is left where it is: %s", path, error)
        return None


def _locked(path: Path, pause: Callable[[float], None] = time.sleep) -> Lock | None:
    """Takes a file's lock, which a process holds only while it adds a line; None if the file is gone."""
    for _ in range(_TRIES):
        try:
            taken = lock(path, create=False)
        except OSError as error:
            LOG.error("%s is left where it is: %s", path, error)
            return None
        if taken is not None or not os.path.lexists(path):
            return taken
        pause(_PAUSE_S)
    raise StateDirError(f"{path} is in use by another process")


def _letters(file: str, data: bytes) -> Iterator[DeadLetter]:
    message = b""
    for line in data.split(b"\n"):
        if line.startswith(b"#"):
            message = b"" if line.startswith((MARK, _OUTPUT)) else line[2:]
        elif line:
            dated = _dated(message)
            yield DeadLetter(
                file=file,
                destination=destination_of(file),
                line=line,
                message=(message if dated is None else dated[2]).decode(errors="replace"),
                refused_at=None if dated is None else dated[1].decode(),
            )
            message = b""
