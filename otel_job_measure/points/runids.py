"""Ids of runs: 12 characters of shortuuid's alphabet."""

import os
import struct
from typing import Final

LENGTH: Final = 12
ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""shortuuid's: no two characters that look alike. 57 ** 12 is nearly 2 ** 70, so that 64 bits fit."""

# Two characters at a time halve the divisions.
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_BASE = len(_PAIRS)
_six_numbers = struct.Struct("6I").unpack


def new_run_id() -> str:
    """Draws an id for a new run, nearly 70 bits of the system's randomness: jobs seed `random`.

    Returns:
        12 characters of shortuuid's alphabet.
    """
    pairs, base = _PAIRS, _BASE
    # 32 bits for each pair leave no pair more likely than others by more than a millionth.
    numbers: tuple[int, ...] = _six_numbers(os.urandom(24))
    a, b, c, d, e, f = numbers
    return pairs[a % base] + pairs[b % base] + pairs[c % base] + pairs[d % base] + pairs[e % base] + pairs[f % base]


def run_id_of_span(span_id: int) -> str:
    """Writes a span's id in shortuuid's alphabet, for a run whose span somebody else opened.

    Args:
        span_id: A number of at most 64 bits, as OpenTelemetry has it.

    Returns:
        12 characters, different for different spans; what `shortuuid` itself would write.
    """
    pairs = _PAIRS
    rest, f = divmod(span_id, _BASE)
    rest, e = divmod(rest, _BASE)
    rest, d = divmod(rest, _BASE)
    rest, c = divmod(rest, _BASE)
    a, b = divmod(rest, _BASE)
    return pairs[a] + pairs[b] + pairs[c] + pairs[d] + pairs[e] + pairs[f]
