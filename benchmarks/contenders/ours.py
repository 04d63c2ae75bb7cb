"""This package, in the ways it can be set up."""

from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from benchmarks.contenders.contender import JOB, TAGS, Where, async_job, job
from benchmarks.contenders.spans import NullExporter, otlp, provider
from otel_job_measure import JobMeasure

MOST_TAGS = 16


class Ours:
    """A decorated job.

    Args:
        where: Its state directory, and its server where it has one.
        traced: The app's own tracer provider; None for an app that doesn't trace.
        **settings: Those that are not as they come.
    """

    def __init__(self, where: Where, traced: TracerProvider | None = None, **settings: Any) -> None:  # noqa: ANN401 - those of Settings
        if where.url is not None and settings.get("ship", True):
            settings |= {
                "influxdb_url": where.url,
                "influxdb_token": where.token,
                "influxdb_org": where.org,
                "influxdb_bucket": where.bucket,
            }
        settings = {"state_dir": where.folder / "state", **TAGS, **settings}
        self.measure = JobMeasure(tracer_provider=traced, **settings)
        self.flush_s = 30.0
        self._provider = traced
        self.run = self.measure.job(JOB)(job)
        self.run_async = self.measure.job(JOB)(async_job)

    @classmethod
    def as_it_comes(cls, where: Where) -> "Ours":
        """Measures in an app that doesn't trace."""
        return cls(where)

    @classmethod
    def unheard(cls, where: Where) -> "Ours":
        """Tries to deliver to a server that is down, and never waits for it; it keeps no history."""
        made = cls(where, history=False)
        made.flush_s = 0.0
        return made

    @classmethod
    def appending(cls, where: Where) -> "Ours":
        """Only appends; another process delivers."""
        return cls(where, ship=False)

    @classmethod
    def runs_off(cls, where: Where) -> "Ours":
        """Leaves the second measurement out."""
        return cls(where, runs=False)

    @classmethod
    def in_memory(cls, where: Where) -> "Ours":
        """Keeps everything in memory until it is sent."""
        return cls(where, state_dir="memory")

    @classmethod
    def confirmed(cls, where: Where) -> "Ours":
        """Waits until the server has the start."""
        return cls(where, confirm_start="server")

    @classmethod
    def with_span(cls, where: Where) -> "Ours":
        """Measures in an app that does not export its spans."""
        return cls(where, provider(None))

    @classmethod
    def with_many_tags(cls, where: Where) -> "Ours":
        """The same, with the most further tags there can be."""
        more = {f"app.tag.{number:02}": f"value-{number:02}" for number in range(MOST_TAGS)}
        return cls(where, provider(None, more), tags=tuple(more))

    @classmethod
    def with_span_appending(cls, where: Where) -> "Ours":
        """The same, only appending."""
        return cls(where, provider(None), ship=False)

    @classmethod
    def with_batch(cls, where: Where) -> "Ours":
        """Measures in an app with a `BatchSpanProcessor` whose exporter drops all spans."""
        return cls(where, provider(NullExporter()))

    @classmethod
    def with_batch_appending(cls, where: Where) -> "Ours":
        """The same, only appending."""
        return cls(where, provider(NullExporter()), ship=False)

    @classmethod
    def with_export(cls, where: Where) -> "Ours":
        """Measures in an app that exports its spans by OTLP over HTTP, and sends its own points too."""
        return cls(where, provider(otlp(where)))

    def settle(self) -> None:
        """Sends what is left."""
        self.measure.flush(self.flush_s)
        if self._provider is not None:
            self._provider.force_flush()

    def close(self) -> None:
        """Closes it, then the app's provider."""
        self.measure.close()
        if self._provider is not None:
            self._provider.shutdown()
