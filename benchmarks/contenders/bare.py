"""The job itself, measured by nobody."""

from benchmarks.contenders.contender import Where, job


class Bare:
    """Calls the job."""

    def __init__(self, where: Where) -> None:
        del where

    def run(self) -> object:
        """Runs the job once."""
        return job()

    def settle(self) -> None:
        """Has nothing to send."""

    def close(self) -> None:
        """Has nothing to end."""
