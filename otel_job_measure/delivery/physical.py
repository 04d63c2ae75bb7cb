"""What the shipper sees in physical lines, without reading them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

# A line that may be no point: a comment, a blank one, or one of spaces only.
_begins_doubtfully = re.compile(rb"[#\s]").match
_has_comment = re.compile(rb"\n#").search  # in half the time of `in`, and of counting them
_has_doubtful = re.compile(rb"\n[#\s]").search


class Points(Sequence[bytes]):
    """Lines that are points, in the very bytes in which they came, until somebody asks for one of them.

    Nearly every batch goes out as it is: to make a list of its lines takes longer than to compress it.

    Args:
        body: The lines, each with its newline; nothing else.
    """

    __slots__ = ("_count", "_lines", "body", "packed")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.packed: bytes | None = None
        """The same as the server gets it, where somebody has made that ahead."""
        self._count = body.count(b"\n")
        self._lines: list[bytes] | None = None

    def __len__(self) -> int:
        """Returns how many lines there are."""
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        """Gives the lines, without their newlines."""
        return iter(self._apart())

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | Sequence[bytes]:
        """Returns one line, or some."""
        return self._apart()[at]

    def _apart(self) -> list[bytes]:
        if self._lines is None:
            self._lines = self.body.split(b"\n")[:-1]
        return self._lines


def points_of(datas: Iterable[bytes]) -> Points:
    """Returns the lines that are points: no comments, no blank lines.

    Args:
        datas: Whole lines each; most of them begin with a comment, and have no other.
    """
    bodies = [_without_comment(data) for data in datas]
    return Points(b"".join(body if _is_plain(body) else _sifted(body) for body in bodies))


def body_of(lines: Sequence[bytes]) -> bytes:
    """Returns lines as a server gets them, each with its newline."""
    return lines.body if isinstance(lines, Points) else b"\n".join(lines) + b"\n"


def count_points(data: bytes) -> int:
    """Returns how many whole lines are no comments."""
    comments = (data.count(b"\n#") if _has_comment(data) else 0) + data.startswith(b"#")
    return data.count(b"\n") - comments


def first_point(data: bytes) -> bytes | None:
    """Returns the first line that is a point, without looking at the others."""
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin) + 1 or len(data)
        if points := points_of([data[begin:end]]):
            return points[0]
        begin = end
    return None


def time_of(line: bytes) -> int | None:
    """Returns a point's time, in ns since 1970; None where it has none."""
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
