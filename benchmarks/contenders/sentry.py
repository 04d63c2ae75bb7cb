"""sentry-sdk's monitor of cron jobs."""

from benchmarks.contenders.contender import JOB, Where, job
from benchmarks.contenders.libraries import library


class SentryMonitor:
    """Checks in at the start and at the end, through the SDK's background worker."""

    def __init__(self, where: Where) -> None:
        self._sdk = library("sentry_sdk")
        self._sdk.init(dsn=where.server.replace("http://", "http://key@") + "/1")
        self.run = library("sentry_sdk.crons").monitor(monitor_slug=JOB)(job)

    def settle(self) -> None:
        self._sdk.flush(10)

    def close(self) -> None:
        self._sdk.get_client().close(10)
