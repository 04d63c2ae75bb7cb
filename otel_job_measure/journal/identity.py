"""Whose a journal is, as its segments tell it."""

from typing import NamedTuple


class Identity(NamedTuple):
    """What every segment of a journal says of itself, whatever its slot.

    Args:
        host: The host's name.
        boot_id: Tells one boot of the machine from another.
        destination: The destination's id, or `local` or `any`.
        label: The destination in words.
        runs: Whether run rows are written.
    """

    host: str
    boot_id: str
    destination: str
    label: str
    runs: bool
