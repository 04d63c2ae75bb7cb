"""Points among the lines of a segment, without parsing them; a process that only appends loads this, not batch.py."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

# A line that may be no point: a comment, a blank one, or one of spaces only.
_begins_doubtfully = re.compile(rb"[#\s]").match
_has_comment = re.compile(rb"\n#").search  # in half the time of `in`, and of counting them
_has_doubtful = re.compile(rb"\n[#\s]").search


class Points(Sequence[bytes]):
    """Points in the bytes in which they came; most batches go out unchanged, so lines are split only if needed."""

    __slots__ = ("_count", "_lines", "body")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._count = body.count(b"\n")
        self._lines: list[bytes] | None = None

    def __len__(self) -> int:
        """Returns the number of lines."""
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        """Yields the lines, without their newlines."""
        return iter(self._apart())

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | Sequence[bytes]:
        """Returns one line, or a slice."""
        return self._apart()[at]

    def _apart(self) -> list[bytes]:
        if self._lines is None:
            self._lines = self.body.split(b"\n")[:-1]
        return self._lines


def points_of(datas: Iterable[bytes]) -> Points:
    """Returns the lines that are points, without comments and blank lines."""
    bodies = [_without_comment(data) for data in datas]
    return Points(b"".join(body if _is_plain(body) else _sifted(body) for body in bodies))


def body_of(lines: Sequence[bytes]) -> bytes:
    """Returns the body of a request: lines, each with its newline."""
    return lines.body if isinstance(lines, Points) else b"\n".join(lines) + b"\n"


def count_points(data: bytes) -> int:
    """Returns the number of whole lines that are no comments."""
    comments = (data.count(b"\n#") if _has_comment(data) else 0) + data.startswith(b"#")
    return data.count(b"\n") - comments


def first_point(data: bytes) -> bytes | None:
    """Returns the first line that is a point."""
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin) + 1 or len(data)
        if points := points_of([data[begin:end]]):
            return points[0]
        begin = end
    return None


def time_of(line: bytes) -> int | None:
    """Returns a point's time, in ns since 1970; None if it has none."""
    try:
        return int(line.rpartition(b" ")[2])
    except ValueError:
        return None


def _without_comment(data: bytes) -> bytes:
    return data[data.find(b"\n") + 1 or len(data) :] if data.startswith(b"#") else data


def _is_plain(data: bytes) -> bool:
    return not data or (data.endswith(b"\n") and not _begins_doubtfully(data) and not _has_doubtful(data))


def _sifted(data: bytes) -> bytes:
    return b"".join(
        b"%b\n" % line for line in data.split(b"\n") if line and not line.startswith(b"#") and not line.isspace()
    )
