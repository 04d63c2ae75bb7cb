"""Where lines go that the server will never take: a file each destination, with the server's words above each line."""

import logging
import os
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.journal.segments import new_name

_log = logging.getLogger(names.LOGGER)
_FILE_BYTES = 1024 * 1024


class FileRejects:
    """Rejected lines in files of at most a MiB, so that `max_bytes` can let the oldest go.

    Args:
        folder: The state directory's `rejected/`.
        destination: Whose lines they are.
    """

    def __init__(self, folder: Path, destination: str) -> None:
        """Makes nothing yet."""
        self._folder = folder
        self._destination = destination
        self._path: Path | None = None

    def put(self, line: bytes, words: str) -> None:
        """Keeps one line, without its newline, with the server's words."""
        comment = " ".join(words.split()).encode(errors="replace")
        try:
            self._append(b"# " + comment + b"\n" + line + b"\n")
        except OSError as error:
            _log.error("a line that was refused cannot be kept (%s): %r, refused with: %s", error, line, words)

    def _append(self, data: bytes) -> None:
        path = self._path
        if path is None or not path.exists() or path.stat().st_size >= _FILE_BYTES:
            path = self._path = self._folder / new_name(self._destination)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(fd, 0o600)
            os.write(fd, data)
        finally:
            os.close(fd)


class LoggedRejects:
    """Rejected lines where nothing is kept on disk: they are in the log, and nowhere else."""

    def put(self, line: bytes, words: str) -> None:
        """Logs one line with the server's words."""
        _log.error("a line was refused, and there is no folder to keep it in: %r: %s", line[:1024], words)
