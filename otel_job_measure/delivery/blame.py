"""Which lines of a request the clues of an answer point at."""

import re
import zlib
from collections.abc import Container, Iterable, Sequence

from otel_job_measure.delivery.influxdb.words import Clues, Conflict, Numbered
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.points.line_protocol import FieldValue, parse

_quotation_ends = re.compile(rb"': ").finditer


def quoted_in(lines: Sequence[bytes], entries: Iterable[str]) -> dict[bytes, str]:
    """Returns the lines that the server quoted, each with the server's reason."""
    # By checksums, so that time stays in proportion to the text: a line may hold the characters that end a quotation.
    by_sum: dict[int, dict[str, bytes]] = {}
    for line in lines:
        text = line.decode(errors="replace")
        by_sum.setdefault(zlib.crc32(text.encode()), {})[text] = line
    found: dict[bytes, str] = {}
    for entry in entries:
        data = entry.encode(errors="replace")
        checksum = begin = 0
        for end in _quotation_ends(data):
            checksum = zlib.crc32(data[begin : end.start()], checksum)
            begin = end.start()
            if checksum not in by_sum:
                continue
            quoted = by_sum[checksum].get(data[:begin].decode(errors="replace"))
            if quoted is not None:
                found[quoted] = data[end.end() :].decode(errors="replace")
                break
    return found


def numbered_in(lines: Sequence[bytes], clues: Clues) -> dict[int, str]:
    """Returns the indexes of the lines that the server names by number, each with its words about it."""
    return {
        number - 1: numbered.message
        for number, numbered in clues.numbered.items()
        if 1 <= number <= len(lines) and _begins(lines[number - 1], numbered)
    }


def conflicting_in(lines: Sequence[bytes], conflict: Conflict | None) -> dict[int, str]:
    """Returns the indexes of the lines with a field of the type that the server refuses, and their measurements."""
    if conflict is None:
        return {}
    found = ((at, _measurement(line, conflict)) for at, line in enumerate(lines))
    return {at: measurement for at, measurement in found if measurement is not None}


def split(lines: Sequence[bytes], named: Container[int]) -> tuple[list[bytes], list[bytes]]:
    """Returns the lines that are named, and the others."""
    return (
        [line for at, line in enumerate(lines) if at in named],
        [line for at, line in enumerate(lines) if at not in named],
    )


def _begins(line: bytes, numbered: Numbered) -> bool:
    return line.decode(errors="replace").startswith(numbered.begins.rstrip("….") if numbered.begins else "")


def _measurement(line: bytes, conflict: Conflict) -> str | None:
    """Returns the measurement of a line that has the field; None if it has not."""
    if conflict.name.encode() not in line:
        return None
    try:
        point = parse(line)
    except LineProtocolError:
        return None
    value = point.fields.get(conflict.name)
    is_there = conflict.measurement in (None, point.measurement)
    return point.measurement if is_there and value is not None and _type_of(value) == conflict.type_ else None


def _type_of(value: FieldValue) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "float"
        case _:
            return "string"
