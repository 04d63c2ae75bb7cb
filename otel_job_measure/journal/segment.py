"""A segment: a file of line protocol whose first line is a comment that says who wrote it."""

import json
import os
import re
from functools import lru_cache, partial
from pathlib import Path

from otel_job_measure.errors import LineProtocolError
from otel_job_measure.journal.interfaces import SegmentHeader
from otel_job_measure.journal.private_files import give_to_owner

FORMAT = 1
SUFFIX = ".lp"
TEMPORARY_SUFFIX = ".tmp"
MARK = b"# otel-job-measure "
_MODE = 0o600
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_TAIL = 64 * 1024
# Compiled when it is first needed: who only writes reads no header, and `exec` stands before every line of a crontab.
_numbers_in = partial(re.search, rb',"slot":(\d{1,9}),"ordinal":(\d{1,9}),"created":(\d{1,19}),')


def new_name(destination: str) -> str:
    """Returns a file name that is unique for ever and tells the segment's destination."""
    return f"{destination}-{os.urandom(8).hex()}{SUFFIX}"


def destination_of(name: str) -> str:
    """Returns the destination that a segment's name tells."""
    return name.rpartition("-")[0]


def encode_header(header: SegmentHeader) -> bytes:
    """Returns the first line of a segment, with its newline."""
    content = {
        "format": FORMAT,
        "host": header.host,
        "boot": header.boot_id,
        "slot": header.slot,
        "ordinal": header.ordinal,
        "created": header.created_ns,
        "destination": header.destination,
        "label": header.label,
        "runs": header.runs,
    }
    return MARK + json.dumps(content, separators=(",", ":")).encode() + b"\n"


def decode_header(line: bytes) -> SegmentHeader:
    """Reads the first line of a segment.

    Raises:
        LineProtocolError: It is none that this version can read.
    """
    numbers = _numbers_in(line)
    if numbers is None:
        return _decoded(line)
    try:
        like = _like(line[: numbers.start()], line[numbers.end() :])
    except LineProtocolError:
        return _decoded(line)  # which quotes the line itself
    return SegmentHeader(
        host=like.host,
        boot_id=like.boot_id,
        slot=int(numbers[1]),
        ordinal=int(numbers[2]),
        created_ns=int(numbers[3]),
        destination=like.destination,
        label=like.label,
        runs=like.runs,
    )


@lru_cache(maxsize=64)
def _like(before: bytes, after: bytes) -> SegmentHeader:
    """Reads a header but for its numbers: in a hundred thousand segments of cron jobs only those differ."""
    return _decoded(before + b',"slot":0,"ordinal":0,"created":0,' + after)


def _decoded(line: bytes) -> SegmentHeader:
    try:
        if not line.startswith(MARK):
            raise ValueError(line[:40])  # noqa: TRY301 - one way out for every kind of bad header
        content = json.loads(line[len(MARK) :])
        if content["format"] != FORMAT:
            raise ValueError(content["format"])  # noqa: TRY301 - as above
        return SegmentHeader(
            host=str(content["host"]),
            boot_id=str(content["boot"]),
            slot=int(content["slot"]),
            ordinal=int(content["ordinal"]),
            created_ns=int(content["created"]),
            destination=str(content["destination"]),
            label=str(content["label"]),
            runs=bool(content["runs"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        msg = f"not the header of a segment of format {FORMAT}: {line[:80]!r}"
        raise LineProtocolError(msg) from error


class SegmentFile:
    """A segment as a reader sees it; it stays the same one when its file moves to `ready/`.

    Args:
        path: Where the file is now.
        header: What its first line says.
        elsewhere: Where it may have been moved to by an adopter that took us for gone.
        good_end: The last good byte, where the writer knows it better than the last newline does.
    """

    __slots__ = ("elsewhere", "good_end", "header", "path")

    def __init__(
        self, path: Path, header: SegmentHeader, *, elsewhere: Path | None = None, good_end: int | None = None
    ) -> None:
        self.path = path
        self.header = header
        self.elsewhere = elsewhere
        self.good_end = good_end

    @classmethod
    def open(cls, path: Path) -> "SegmentFile":
        """Reads a segment's header.

        Raises:
            OSError: The file cannot be read.
            LineProtocolError: Its first line is no header.
        """
        with os.fdopen(open_to_read(path), "rb") as file:
            return cls(path, decode_header(file.readline()))

    @property
    def name(self) -> str:
        """Returns the file's name."""
        return self.path.name

    def size(self) -> int:
        """Returns how many bytes can be read now; 0 if the file is gone."""
        if self.good_end is not None:
            return self.good_end
        try:
            fd = self._open()
        except OSError:
            return 0
        try:
            return _last_newline(fd, os.fstat(fd).st_size)
        finally:
            os.close(fd)

    def read(self, offset: int, limit: int) -> bytes:
        """Returns whole lines from `offset` on, at most `limit` bytes unless one line is longer."""
        end = self.size()
        if offset >= end:
            return b""
        try:
            fd = self._open()
        except OSError:
            return b""
        try:
            while True:
                data = os.pread(fd, min(limit, end - offset), offset)
                whole = data[: data.rfind(b"\n") + 1]
                if whole or limit >= end - offset:
                    return whole
                limit *= 2
        finally:
            os.close(fd)

    def move(self, folder: Path) -> None:
        """Moves the file into another folder of the state directory; nothing happens where it is gone already."""
        target = folder / self.name
        try:
            self.path.rename(target)
        except FileNotFoundError:
            if not target.exists():
                return
        self.path = target

    def delete(self) -> None:
        """Deletes the file wherever it is."""
        self.path.unlink(missing_ok=True)
        if self.elsewhere is not None:
            (self.elsewhere / self.name).unlink(missing_ok=True)

    def _open(self) -> int:
        try:
            return open_to_read(self.path)
        except FileNotFoundError:
            if self.elsewhere is None:
                raise
            return open_to_read(self.elsewhere / self.name)


def create(folder: Path, header: SegmentHeader, lines: bytes) -> tuple[int, Path, int]:
    """Makes a new segment that appears under its name only when its first lines are in it.

    Args:
        folder: The slot's folder.
        header: Its first line.
        lines: The start lines of the runs that are open.

    Returns:
        A descriptor that appends, the file's path, and its size.

    Raises:
        OSError: It cannot be made; nothing is left of it.
    """
    path = folder / new_name(header.destination)
    temporary = path.with_suffix(TEMPORARY_SUFFIX)
    content = encode_header(header) + lines
    fd = os.open(temporary, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    try:
        os.fchmod(fd, _MODE)  # whatever the umask took away
        give_to_owner(fd, folder)
        if os.write(fd, content) != len(content):
            msg = f"no room for the beginning of {path.name}"
            raise OSError(msg)  # noqa: TRY301 - the clean-up below is the same
        _name(temporary, path)
    except OSError:
        os.close(fd)
        temporary.unlink(missing_ok=True)
        raise
    return fd, path, len(content)


def _name(temporary: Path, path: Path) -> None:
    try:
        temporary.rename(path)
    except FileNotFoundError:
        if not path.exists():  # a child that a signal handler forked here has done the same
            raise


def open_to_read(path: str | Path) -> int:
    """Opens a segment's file, and nothing that a link leads to.

    Raises:
        OSError: It cannot be read.
    """
    return os.open(path, _READ)


def _last_newline(fd: int, size: int) -> int:
    """Returns the offset after the last newline: readers never look at a line that is being written."""
    end = size
    while end > 0:
        begin = max(0, end - _TAIL)
        at = os.pread(fd, end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0
