"""Pings before and after the job, as healthchecks takes them and as its docs send them."""

from benchmarks.contenders.contender import JOB, Where, job
from benchmarks.contenders.libraries import library


class Pings:
    """Two requests a run, each waited for."""

    def __init__(self, where: Where) -> None:
        self._get = library("requests").get
        self._url = f"{where.server}/ping/{JOB}"

    def run(self) -> object:
        """Runs the job once."""
        self._get(f"{self._url}/start", timeout=10)
        result = job()
        self._get(self._url, timeout=10)
        return result

    def settle(self) -> None:
        """Has nothing to send."""

    def close(self) -> None:
        """Has nothing to end."""
