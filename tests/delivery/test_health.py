import gc
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_job_measure.delivery.backlog import Backlog
from otel_job_measure.delivery.consumer import Consumer
from otel_job_measure.delivery.health import Health, health_of, register
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.journal.counters import Counters
from tests.delivery.support import FakeSource, ListRejects, Reply, TinyServer, line, settings_for


def read(reader: InMemoryMetricReader) -> dict[str, object]:
    """Returns the values of the metrics by name; those of `dropped` by cause."""
    data: Any = reader.get_metrics_data()
    found: dict[str, object] = {}
    for scope in (scope for resource in data.resource_metrics for scope in resource.scope_metrics):
        assert scope.scope.name == "otel_job_measure"
        for metric in scope.metrics:
            points = {point.attributes.get("cause"): point.value for point in metric.data.data_points}
            found[metric.name.removeprefix("otel_job_measure.points.")] = points.get(None, points)
    return found


def health(delivered: int = 0, pending: int = 0, **dropped: int) -> Health:
    """Returns a state in which something is counted."""
    return Health(delivered=delivered, pending=pending, dropped=dropped)


def test_without_a_server_there_is_nothing_to_tell() -> None:
    """A local process has counts, and no word on a server."""
    counters = Counters()
    counters.dropped(3, "max_bytes")
    assert health_of(counters) == Health(dropped={"max_bytes": 3})


def test_health_tells_what_happened(tiny: TinyServer) -> None:
    """Reachable, last success, counts and what waits are those of the last requests."""
    counters, source = Counters(), FakeSource()
    sink = InfluxSink(settings_for(tiny.url), counters, ListRejects())
    shipper = Shipper(source, [Consumer(sink)], counters)
    source.wake = shipper.wake
    assert health_of(counters, shipper, sink) == Health(dropped={})
    tiny.replies = [Reply(headers={"X-Influxdb-Version": "v2.7.12", "X-Influxdb-Build": "OSS"}), Reply(503)]
    counters.appended += 1
    before = datetime.now(UTC)
    assert shipper.wait_for(source.append(line(1)), 30)
    good = health_of(counters, shipper, sink)
    assert (good.reachable, good.delivered, good.pending, good.oldest_pending_s) == (True, 1, 0, None)
    assert good.server == "InfluxDB 2.7.12"
    assert good.last_success is not None
    assert before <= good.last_success <= datetime.now(UTC)
    tiny.always = Reply(503)
    counters.appended += 1
    assert not shipper.wait_for(source.append(line(2, 1000)), 30, unless_down=True)
    bad = health_of(counters, shipper, sink)
    assert (bad.reachable, bad.delivered, bad.pending, bad.last_success) == (False, 1, 1, good.last_success)
    assert bad.oldest_pending_s is not None
    assert bad.oldest_pending_s > 10**9
    shipper.close(30)


def test_what_was_given_up_is_not_on_its_way_any_more() -> None:
    """Of the points of this process; those of others, and those that were never appended, were never on its way."""
    counters = Counters()
    backlog = Backlog(counters)
    counters.appended = 10
    backlog.settled(4)
    counters.dropped(7, "max_bytes", own=3)
    counters.dropped(5, "memory")
    assert backlog.points == 3
    counters.dropped(5, "max_bytes", own=5)  # two of them the server had
    assert backlog.points == 0
    counters.appended += 2
    assert backlog.points == 2
    backlog.caught_up(backlog.appended())
    assert backlog.points == 0


def test_metrics_are_the_same_as_health() -> None:
    """Each count of health is a metric of the given provider, drops by their cause."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    register(lambda: health(5, 2, max_bytes=1, memory=4), provider)
    assert read(reader) == {
        "delivered": 5,
        "pending": 2,
        "rejected": 0,
        "expired": 0,
        "dropped": {"max_bytes": 1, "memory": 4},
    }
    provider.shutdown()


def test_two_journals_of_a_process_are_summed(caplog: pytest.LogCaptureFixture) -> None:
    """A second registration is neither lost nor a conflict."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    register(lambda: health(5, 2, memory=1), provider)
    register(lambda: health(7, 1, memory=1), provider)
    found = read(reader)
    assert (found["delivered"], found["pending"], found["dropped"]) == (12, 3, {"memory": 2})
    assert not caplog.records
    provider.shutdown()


def test_a_global_provider_that_is_set_later_gets_them() -> None:
    """Metrics reach a provider that the app sets after us."""
    register(lambda: health(3))
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    metrics.set_meter_provider(provider)
    assert read(reader)["delivered"] == 3
    provider.shutdown()


def test_a_provider_is_not_kept_alive() -> None:
    """The package does not keep a provider alive that the app has dropped."""
    from otel_job_measure.delivery.health import _by_provider  # noqa: PLC0415 - looked at, not used

    provider = MeterProvider()
    register(health, provider)
    provider.shutdown()
    before = len(_by_provider)
    del provider
    gc.collect()
    assert len(_by_provider) < before
