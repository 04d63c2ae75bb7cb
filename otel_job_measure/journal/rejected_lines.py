"""The lines that the server refused, for whoever looks at them, mends them or gives them up."""

import contextlib
import hashlib
import io
import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from otel_job_measure.errors import StateDirError
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.journal.private_files import give_to_owner
from otel_job_measure.journal.segment import SUFFIX, TEMPORARY_SUFFIX, destination_of

_MODE = 0o600
_TRIES = 1000
_PAUSE_S = 0.005
_dated = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (.*)").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A line that the server refused.

    Args:
        id: What it is called: the same line has the same id, however often it was refused.
        destination: The id of the destination that refused it.
        line: The line, without its newline.
        words: Why, in the server's words.
        at: When, in ISO 8601, UTC; None where nobody wrote that down.
    """

    id: str
    destination: str
    line: bytes
    words: str
    at: str | None


class RejectedLines:
    """What lies in `rejected/`.

    Args:
        folder: The folder.
        pause: Waits, in seconds, while a process writes to a file.
    """

    def __init__(self, folder: Path, *, pause: Callable[[float], None] = time.sleep) -> None:
        """Looks at nothing yet."""
        self._folder = folder
        self._pause = pause

    def all(self) -> list[Rejected]:
        """Returns all lines, each once, the oldest first.

        Raises:
            StateDirError: They cannot be read.
        """
        found: dict[str, Rejected] = {}
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):  # it was emptied meanwhile
                for _, rejected in _entries(path.read_bytes(), destination_of(path.name)):
                    known = found.setdefault(rejected.id, rejected)
                    if (rejected.at or "") > (known.at or ""):
                        found[rejected.id] = rejected
        return sorted(found.values(), key=lambda rejected: rejected.at or "")

    def take_out(self, ids: Collection[str]) -> None:
        """Deletes some lines; those that processes add meanwhile stay.

        Args:
            ids: Their ids.

        Raises:
            StateDirError: They cannot be deleted.
        """
        for path in self._files():
            taken = self._locked(path)
            if taken is None:
                continue
            try:
                data = path.read_bytes()
                entries = list(_entries(data, destination_of(path.name)))
                if any(rejected.id in ids for _, rejected in entries):
                    _replace(path, b"".join(raw for raw, rejected in entries if rejected.id not in ids))
            finally:
                taken.release()

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == SUFFIX)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StateDirError(f"{self._folder} cannot be read: {error}") from error

    def _locked(self, path: Path) -> Lock | None:
        """Takes a file's lock, which a process holds only while it adds a line; None where the file is gone."""
        for _ in range(_TRIES):
            taken = lock(path, create=False)
            if taken is not None or not path.exists():
                return taken
            self._pause(_PAUSE_S)
        raise StateDirError(f"{path} is in use by another process")


def id_of(destination: str, line: bytes) -> str:
    """Returns what a rejected line is called."""
    return hashlib.sha256(destination.encode() + b"\0" + line).hexdigest()[:8]


def _entries(data: bytes, destination: str) -> Iterator[tuple[bytes, Rejected]]:
    """Yields each entry of a file: its bytes, and what they say."""
    begin, words = 0, b""
    offset = 0
    for line in io.BytesIO(data):  # at newlines alone, as InfluxDB does
        offset += len(line)
        text = line.rstrip(b"\n")
        if text.startswith(b"# "):
            words = text[2:]
        elif text:
            dated = _dated(words)
            yield (
                data[begin:offset],
                Rejected(
                    id=id_of(destination, text),
                    destination=destination,
                    line=text,
                    words=(words if dated is None else dated[2]).decode(errors="replace"),
                    at=None if dated is None else dated[1].decode(),
                ),
            )
            begin, words = offset, b""


def _replace(path: Path, data: bytes) -> None:
    """Puts other bytes into a file's place at once; an empty one is not kept."""
    if not data:
        path.unlink(missing_ok=True)
        return
    status = path.stat()
    temporary = path.with_suffix(TEMPORARY_SUFFIX)
    temporary.unlink(missing_ok=True)  # of somebody who was killed here
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    give_to_owner(fd, path.parent)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    temporary.chmod(_MODE)
    os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))  # `max_bytes` lets the oldest go
    temporary.rename(path)
