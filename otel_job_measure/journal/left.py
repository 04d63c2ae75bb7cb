"""Segments in `ready/` as their sender sees them: most hold one run, and such a one is read but once."""

import os
from pathlib import Path
from typing import Final

from otel_job_measure.journal.interfaces import Segment, SegmentHeader
from otel_job_measure.journal.segment import SegmentFile, decode_header, open_to_read

_SMALL: Final = 4096
"""What is read at once and kept until it is sent, in bytes: of the two thousand that are there at a time, 8 MiB."""


class SmallSegment:
    """A small segment that nobody writes to any more, with what was in it when it was opened.

    Who sends it holds `adopt.lock`, so that nobody else deletes it, and its file is not looked at a second time.

    Args:
        path: Where the file is; as text, since a hundred thousand paths take longer to make than to open.
        name: The file's name.
        content: What is in it.

    Raises:
        LineProtocolError: Its first line is no header.
    """

    __slots__ = ("_content", "_path", "header", "name")

    def __init__(self, path: str, name: str, content: bytes) -> None:
        self.name = name
        self.header: SegmentHeader = decode_header(content[: content.find(b"\n") + 1])
        self._path = path
        self._content = content[: content.rfind(b"\n") + 1]

    def size(self) -> int:
        """Returns how many bytes can be read; 0 once it was deleted here."""
        return len(self._content)

    def read(self, offset: int, limit: int) -> bytes:
        """Returns whole lines from `offset` on, at most `limit` bytes unless one line is longer."""
        content = self._content
        if offset + limit >= len(content):
            return content[offset:]
        end = content.rfind(b"\n", offset, offset + limit) + 1 or content.find(b"\n", offset) + 1
        return content[offset:end]

    def delete(self) -> None:
        """Deletes the file."""
        try:  # noqa: SIM105 - of a hundred thousand, each
            os.unlink(self._path)  # noqa: PTH108 - see above
        except FileNotFoundError:
            pass
        self._content = b""


def open_left(folder: str, name: str) -> Segment:
    """Opens a segment of those who are gone.

    Args:
        folder: Where it is.
        name: The file's name.

    Returns:
        The segment; what is in a small one is read already.

    Raises:
        OSError: The file cannot be read.
        LineProtocolError: Its first line is no header.
    """
    path = f"{folder}/{name}"
    fd = open_to_read(path)
    try:
        content = os.read(fd, _SMALL + 1)
    finally:
        os.close(fd)
    return SmallSegment(path, name, content) if len(content) <= _SMALL else SegmentFile.open(Path(path))
