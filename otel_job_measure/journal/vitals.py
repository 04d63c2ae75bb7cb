"""What a sender knows of the journals whose rows it sends, beside the rows themselves."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class OpenStart(NamedTuple):
    """The start of a run that is open."""

    line: bytes
    """Its start line, with or without a newline."""
    slot: int
    """The last three digits of its process's timestamps."""
    host: str


class Vitals(Protocol):
    """The journals of a sender: that of its own process, or all of a state directory."""

    @property
    def speaks_for_all(self) -> bool:
        """Whether the sender sends the rows of all processes of a state directory."""
        ...

    def open_runs(self) -> Sequence[OpenStart]:
        """Returns the runs that are open now, in living processes."""
        ...

    def slot(self) -> int:
        """Returns the last three digits of the sender's own timestamps."""
        ...

    def has_unwritten(self) -> bool:
        """Returns whether points wait that are in no segment yet."""
        ...
