"""Ids of runs: 12 characters of shortuuid's alphabet."""

import os
from typing import Final

LENGTH: Final = 12
ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""shortuuid's: no two characters that look alike. 57 ** 12 is more than 2 ** 69, so that 64 bits fit."""

# Two characters at a time halve the divisions.
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_BASE = len(_PAIRS)


def new_run_id() -> str:
    """Draws an id for a new run from 64 bits of the system's randomness, since jobs seed `random`.

    Returns:
        12 characters of shortuuid's alphabet.
    """
    return run_id_of_span(int.from_bytes(os.urandom(8)))


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
