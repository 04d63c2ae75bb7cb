"""The end of a command's output, or the stack of a long run, as a comment of a segment.

The history keeps it, and no server gets comments.
"""

import binascii
from typing import Final, NamedTuple

MOST_BYTES: Final = 64 * 1024
"""The most of one stream that is kept."""
STREAMS: Final = ("stdout", "stderr")
STACK: Final = "stack"
BEGIN: Final = "# output "
_PARTS: Final = 6
_MOST_DIGITS: Final = 19
_MOST_UUID: Final = 64


class KeptOutput(NamedTuple):
    """The end of what a run wrote to one stream, or where it was."""

    uuid: str
    at_ns: int
    """When the run ended, or for a stack when it started: that finds it in the history."""
    stream: str
    """One of `STREAMS`, or `STACK`."""
    data: bytes


def encode(kept: KeptOutput) -> bytes:
    """Returns the comment, with its newline. The point at its end keeps base64 of digits from looking like a time."""
    text = binascii.b2a_base64(kept.data, newline=False).decode()
    return f"{BEGIN}{kept.uuid} {kept.at_ns} {kept.stream} {text} .\n".encode()


def decode(line: str) -> KeptOutput | None:
    """Returns what a comment that begins with `BEGIN` says; None if this package did not write it."""
    parts = line[len(BEGIN) :].split(" ", _PARTS)
    if len(parts) != _PARTS - 1 or parts[4] != "." or len(parts[3]) > 2 * MOST_BYTES:
        return None
    uuid, end, stream, text, _ = parts
    is_ours = end.isdecimal() and end.isascii() and len(end) <= _MOST_DIGITS and 0 < len(uuid) <= _MOST_UUID
    if stream not in {*STREAMS, STACK} or not is_ours or int(end) >= 2**63:
        return None
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return KeptOutput(uuid, int(end), stream, data) if len(data) <= MOST_BYTES else None
