"""A command that is not measured, and still has a time limit."""

from contextlib import AbstractContextManager, nullcontext
from typing import Final

from otel_job_measure.cli.exec.process import Ending


class Unmeasured:
    """The place of a `MeasuredCommand` that could not be made: it does nothing."""

    variables: Final[dict[bytes, bytes]] = {}
    delivers: Final = False

    def attached(self) -> AbstractContextManager[None]:
        """Leaves the command's streams alone."""
        return nullcontext()

    def deliver(self) -> None:
        """Sends nothing."""

    def keep_up(self) -> None:
        """Writes nothing."""

    def note(self, ending: Ending) -> None:
        """Records nothing."""

    def end(self, ending: Ending) -> None:
        """Has no span."""

    def keep_output(self, ending: Ending) -> None:
        """Keeps nothing."""

    def close(self) -> None:
        """Has nothing to close."""
