"""Ids of runs: 12 characters of shortuuid's alphabet."""

import os
from typing import Final

from shortuuid import get_alphabet
from shortuuid.main import int_to_string

LENGTH: Final = 12
_ALPHABET: Final = list(get_alphabet())
_LIMIT: Final = 256 - 256 % len(_ALPHABET)  # bytes from here on would make some characters more likely
_CHARACTERS: Final = bytes(ord(_ALPHABET[byte % len(_ALPHABET)]) for byte in range(256))
_REFUSED: Final = bytes(range(_LIMIT, 256))


def new_run_id() -> str:
    """Returns an id for a new run, from the system's randomness: jobs seed `random`.

    This is `shortuuid.random` with one request to the system instead of one for each character, which takes 10 µs.
    """
    found = b""
    while len(found) < LENGTH:  # nearly always once: 24 bytes give 21 characters on average
        found += os.urandom(2 * LENGTH).translate(_CHARACTERS, _REFUSED)
    return found[:LENGTH].decode()


def run_id_of_span(span_id: int) -> str:
    """Returns a span's id in shortuuid's alphabet, for a run whose span the app opened; it has at most 64 bits."""
    return int_to_string(span_id, _ALPHABET, padding=LENGTH)
