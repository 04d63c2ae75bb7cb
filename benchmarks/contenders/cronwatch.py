"""cronwatch-sdk, which records runs in a database of the app's own, here SQLite."""

from benchmarks.contenders.contender import JOB, Where, job
from benchmarks.contenders.libraries import library


class Cronwatch:
    """Records a run when it ends, in a transaction of its own."""

    FILE = "cronwatch.db"

    def __init__(self, where: Where) -> None:
        store = library("cronwatch.stores").SqliteStore(str(where.folder / self.FILE))
        self._client = library("cronwatch").Cronwatch(store=store)
        self._job = self._client.job(JOB)

    def run(self) -> object:
        """Runs the job once."""
        return self._job.run(_job)

    def settle(self) -> None:
        """Has nothing to send."""

    def close(self) -> None:
        self._client.close()


def _job(context: object) -> int:
    del context
    return job()
