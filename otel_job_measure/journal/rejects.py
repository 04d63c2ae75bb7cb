"""Where lines go that the server will never take: a file each destination, with the server's words above each line."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.journal.file_lock import Lock, lock
from otel_job_measure.journal.segment import new_name

_log = logging.getLogger(names.LOGGER)
_FILE_BYTES = 1024 * 1024
_MODE = 0o600


class FileRejects:
    """Rejected lines in files of at most a MiB, so that `max_bytes` can let the oldest go.

    Args:
        folder: The state directory's `rejected/`.
        destination: Whose lines they are.
        clock: Tells when a line was refused.
    """

    def __init__(self, folder: Path, destination: str, clock: Clock | None = None) -> None:
        """Makes nothing yet."""
        self._folder = folder
        self._destination = destination
        self._clock = clock or SystemClock()
        self._path: Path | None = None

    def put(self, line: bytes, words: str) -> None:
        """Keeps one line, without its newline, with the time and the server's words."""
        at = datetime.fromtimestamp(self._clock.wall_ns() // 10**9, UTC)
        comment = f"# {at:%Y-%m-%dT%H:%M:%SZ} {' '.join(words.split())}\n".encode(errors="replace")
        try:
            self._append(comment + line + b"\n")
        except OSError as error:
            _log.error("a line that was refused cannot be kept (%s): %r, refused with: %s", error, line, words)

    def _append(self, data: bytes) -> None:
        taken = self._open()
        try:
            os.fchmod(taken.fd, _MODE)
            end = os.lseek(taken.fd, 0, os.SEEK_END)
            if os.write(taken.fd, data) != len(data):
                os.ftruncate(taken.fd, end)
                msg = "no room"
                raise OSError(msg)
        finally:
            taken.release()

    def _open(self) -> Lock:
        """Opens the file of the moment and holds its lock: who takes lines out of it must not lose this one."""
        path = self._path
        taken = None
        if path is not None and path.exists() and path.stat().st_size < _FILE_BYTES:
            taken = lock(path, create=False)
        while taken is None:  # somebody is at it just now, who isn't waited for
            self._path = self._folder / new_name(self._destination)
            taken = lock(self._path)
        return taken


class LoggedRejects:
    """Rejected lines where nothing is kept on disk: they are in the log, and nowhere else."""

    def put(self, line: bytes, words: str) -> None:
        """Logs one line with the server's words."""
        _log.error("a line was refused, and there is no folder to keep it in: %r: %s", line[:1024], words)
