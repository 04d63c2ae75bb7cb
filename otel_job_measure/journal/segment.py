"""A segment: a file of line protocol whose first line is a comment that describes its writer."""

import contextlib
import json
import os
from pathlib import Path

from otel_job_measure.errors import LineProtocolError
from otel_job_measure.journal.interfaces import Identity, SegmentHeader
from otel_job_measure.journal.private_files import open_private

FORMAT = 1
SUFFIX = ".lp"
TEMPORARY_SUFFIX = ".tmp"
MARK = b"# otel-job-measure "
MOST_BYTES = 64 * 1024 * 1024
"""No segment has more: a new one begins at 16 MiB, with the starts of the runs that are open."""
_MOST_HOST = 1024
_SLOTS = 1000
_MOST_NUMBER = 9 * 10**18
"""No number is greater, so that a time computed from it fits into 64 bits."""
_TAIL = 64 * 1024
_SMALL = 4096
"""What is read at once when a closed segment is opened: most hold one run. A thousand of them take 4 MiB."""
BEGAN = b"# began "
"""The comment of a journal with the start line of a run that another process began, and this one holds."""


def new_name(destination: str) -> str:
    """Returns a file name that is unique for ever and contains the destination."""
    return f"{destination}-{os.urandom(8).hex()}{SUFFIX}"


def destination_of(name: str) -> str:
    """Returns the destination in a segment's name."""
    return name.rpartition("-")[0]


def encode_header(header: SegmentHeader) -> bytes:
    """Returns the first line of a segment, with its newline."""
    identity = header.identity
    content = {
        "format": FORMAT,
        "host": identity.host,
        "boot": identity.boot_id,
        "slot": header.slot,
        "ordinal": header.ordinal,
        "created": header.created_ns,
        "destination": identity.destination,
        "label": identity.label,
        "runs": identity.runs,
    }
    return MARK + json.dumps(content, separators=(",", ":")).encode() + b"\n"


def decode_header(line: bytes) -> SegmentHeader:
    """Reads the first line of a segment."""
    try:
        if not line.startswith(MARK):
            raise ValueError(line[:40])  # noqa: TRY301 - one way out for every kind of bad header
        content = json.loads(line[len(MARK) :])
        if content["format"] != FORMAT:
            raise ValueError(content["format"])  # noqa: TRY301 - the same
        identity = Identity(
            host=str(content["host"])[:_MOST_HOST],
            boot_id=str(content["boot"]),
            destination=str(content["destination"]),
            label=str(content["label"]),
            runs=bool(content["runs"]),
        )
        slot, ordinal, created_ns = (int(content[name]) for name in ("slot", "ordinal", "created"))
        if not (0 <= slot < _SLOTS and 0 <= ordinal < _MOST_NUMBER and abs(created_ns) < _MOST_NUMBER):
            raise ValueError(slot)  # noqa: TRY301 - the same
        return SegmentHeader(identity, slot=slot, ordinal=ordinal, created_ns=created_ns)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise LineProtocolError(f"not the header of a segment of format {FORMAT}: {line[:80]!r}") from error


class SegmentFile:
    """A segment as a reader sees it; it stays the same one when its file moves to `ready/`."""

    __slots__ = ("_path", "content", "elsewhere", "good_end", "header")

    def __init__(
        self,
        path: Path | str,
        header: SegmentHeader,
        *,
        elsewhere: Path | None = None,
        good_end: int | None = None,
        content: bytes | None = None,
    ) -> None:
        self._path = str(path)
        self.header = header
        self.elsewhere = elsewhere
        self.good_end = good_end
        self.content = content

    @classmethod
    def open(cls, path: Path | str, *, is_closed: bool = False) -> "SegmentFile":
        """Reads a segment's header, and the rest with it if it is small and no longer written."""
        with os.fdopen(open_private(path, os.O_RDONLY), "rb", buffering=0) as file:
            if (size := os.fstat(file.fileno()).st_size) > MOST_BYTES:
                raise OSError(f"it has {size} bytes, more than a segment ever has")
            data = file.read(_SMALL + 1)
            is_small = len(data) <= _SMALL
            end = data.find(b"\n") + 1
            if not end and not is_small:  # a label of thousands of characters
                data += file.read(1024 * 1024)
                end = data.find(b"\n") + 1
        header = decode_header(data[:end])
        return cls(path, header, content=data[: data.rfind(b"\n") + 1] if is_closed and is_small else None)

    @property
    def path(self) -> Path:
        """Returns where the file is."""
        return Path(self._path)

    @property
    def name(self) -> str:
        """Returns the file's name."""
        return self._path.rpartition("/")[2]

    def size(self) -> int:
        """Returns how many bytes can be read now; 0 if the file is gone."""
        if self.content is not None:
            return len(self.content)
        if self.good_end is not None:
            return self.good_end
        try:
            fd = self._open()
        except OSError:
            return 0
        try:
            return _last_newline(fd, min(os.fstat(fd).st_size, MOST_BYTES))
        finally:
            os.close(fd)

    def read(self, offset: int, limit: int) -> bytes:
        """Returns whole lines from `offset` on, at most `limit` bytes unless one line is longer."""
        end = self.size()
        if offset >= end:
            return b""
        if self.content is not None:
            cut = end if offset + limit >= end else self.content.rfind(b"\n", offset, offset + limit) + 1
            return self.content[offset : cut or self.content.find(b"\n", offset) + 1]
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
        """Moves the file into another folder of the state directory; nothing happens if it is gone already."""
        target = folder / self.name
        try:
            self.path.rename(target)
        except FileNotFoundError:
            if not target.exists():
                return
        self._path = str(target)

    def delete(self) -> None:
        """Deletes the file, also if a recovery pass has moved it."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)  # noqa: PTH108 - of a hundred thousand, each
        if self.elsewhere is not None:
            (self.elsewhere / self.name).unlink(missing_ok=True)
        if self.content is not None:
            self.content = b""

    def is_gone(self) -> bool:
        """Returns whether the file was deleted."""
        return not (self.path.exists() or (self.elsewhere is not None and (self.elsewhere / self.name).exists()))

    def _open(self) -> int:
        try:
            return open_private(self._path, os.O_RDONLY)
        except FileNotFoundError:
            if self.elsewhere is None:
                raise
            return open_private(self.elsewhere / self.name, os.O_RDONLY)


def create(folder: Path, header: SegmentHeader, lines: bytes = b"") -> tuple[int, SegmentFile]:
    """Makes a new segment, which gets its name only when its first lines are in it."""
    path = folder / new_name(header.destination)
    temporary = path.with_suffix(TEMPORARY_SUFFIX)
    content = encode_header(header) + lines
    fd = open_private(temporary, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
    try:
        if os.write(fd, content) != len(content):
            raise OSError(f"no room for the beginning of {path.name}")  # noqa: TRY301 - the clean-up is the same
        _rename(temporary, path)
    except OSError:
        os.close(fd)
        temporary.unlink(missing_ok=True)
        raise
    return fd, SegmentFile(path, header, good_end=len(content))


def _rename(temporary: Path, path: Path) -> None:
    try:
        temporary.rename(path)
    except FileNotFoundError:
        if not path.exists():  # a child that a signal handler forked here has done it
            raise


def _last_newline(fd: int, size: int) -> int:
    """Returns the offset after the last newline: readers never see a line that is being written."""
    end = size
    while end > 0:
        begin = max(0, end - _TAIL)
        at = os.pread(fd, end - begin, begin).rfind(b"\n")
        if at >= 0:
            return begin + at + 1
        end = begin
    return 0
