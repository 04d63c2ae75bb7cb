"""Ids of runs: 12 characters of shortuuid's alphabet."""

import os
from typing import Final

LENGTH: Final = 12
ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""shortuuid's: no two characters that look alike. 57 ** 12 is nearly 2 ** 70, so that 64 bits fit."""

_COUNT = len(ALPHABET)
# Two characters at a time halve the divisions. They are put together when the first is needed, which most never do.
_pairs: list[str] = []
_BASE = _COUNT * _COUNT
_EVEN = 256 // _COUNT * _COUNT
# A byte is a character of the alphabet; the last few bytes are none, or the first characters would come more often.
_CHARACTERS = bytes(ord(ALPHABET[byte % _COUNT]) for byte in range(256))
_NONE = bytes(range(_EVEN, 256))
_DRAWN = 24  # bytes; one in nine is no character, so that more than half of them hardly ever are


def new_run_id() -> str:
    """Draws an id for a new run, 70 bits of the system's randomness: jobs seed `random`.

    Returns:
        12 characters of shortuuid's alphabet, all equally likely.
    """
    drawn = os.urandom(_DRAWN).translate(_CHARACTERS, _NONE)
    while len(drawn) < LENGTH:
        drawn += os.urandom(_DRAWN).translate(_CHARACTERS, _NONE)
    return drawn[:LENGTH].decode("ascii")


def run_id_of_span(span_id: int) -> str:
    """Writes a span's id in shortuuid's alphabet, for a run whose span somebody else opened.

    Args:
        span_id: A number of at most 64 bits, as OpenTelemetry has it.

    Returns:
        12 characters, different for different spans; what `shortuuid` itself would write.
    """
    pairs = _pairs or _all_pairs()
    rest, f = divmod(span_id, _BASE)
    rest, e = divmod(rest, _BASE)
    rest, d = divmod(rest, _BASE)
    rest, c = divmod(rest, _BASE)
    a, b = divmod(rest, _BASE)
    return pairs[a] + pairs[b] + pairs[c] + pairs[d] + pairs[e] + pairs[f]


def _all_pairs() -> list[str]:
    _pairs[:] = [first + second for first in ALPHABET for second in ALPHABET]  # in one step, also beside other threads
    return _pairs
