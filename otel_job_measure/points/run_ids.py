"""Ids of runs: 12 characters of shortuuid's alphabet."""

import os
from typing import Final

from shortuuid import get_alphabet
from shortuuid.main import int_to_string

LENGTH: Final = 12
_ALPHABET: Final = list(get_alphabet())
_IDS: Final = len(_ALPHABET) ** LENGTH  # nearly 2 ** 70


def new_run_id() -> str:
    """Returns an id for a new run, from the system's randomness: jobs seed `random`.

    128 random bits are shortened to the 70 that 12 characters hold. `shortuuid.random` asks the system for each
    character and takes five times as long.
    """
    return int_to_string(int.from_bytes(os.urandom(16)) % _IDS, _ALPHABET, padding=LENGTH)


def run_id_of_span(span_id: int) -> str:
    """Returns a span's id in shortuuid's alphabet, for a run whose span the app opened; it has at most 64 bits."""
    return int_to_string(span_id, _ALPHABET, padding=LENGTH)
