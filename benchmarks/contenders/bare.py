"""The bare job, not measured."""

from benchmarks.contenders.contender import Where, async_job, job


class Bare:
    """Calls the job."""

    def __init__(self, where: Where) -> None:
        del where

    def run(self) -> object:
        """Runs the job once."""
        return job()

    async def run_async(self) -> object:
        """Runs the asynchronous job once."""
        return await async_job()

    def settle(self) -> None:
        """Has nothing to send."""

    def close(self) -> None:
        """Has nothing to end."""
