"""`health()` as metrics of OpenTelemetry."""

from collections.abc import Iterator

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from otel_job_measure import JobMeasure
from tests.delivery.support import TinyServer
from tests.runtime.support import DEAD, run, there


class Meters:
    """An app's own metrics, which it reads when it likes."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def read(self) -> dict[str, float]:
        """Returns the sum of each of our metrics, by what comes after `otel_job_measure.points.`; causes as well."""
        data = self._reader.get_metrics_data()
        return {
            ".".join(
                [metric.name.removeprefix("otel_job_measure.points."), *map(str, (point.attributes or {}).values())]
            ): (point.value)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if isinstance(point, NumberDataPoint)
        }


@pytest.fixture
def meters() -> Iterator[Meters]:
    """Metrics that are read at the end of a test for the last time."""
    made = Meters()
    yield made
    made.provider.shutdown()


def test_they_tell_what_health_tells(server: TinyServer, meters: Meters) -> None:
    """Nothing before the first point, and what became of each in the end."""
    measure = JobMeasure(**there(server.url), meter_provider=meters.provider)
    assert meters.read() == {"delivered": 0, "rejected": 0, "expired": 0, "pending": 0}
    run(measure, "nightly")
    assert measure.close(10)
    assert meters.read() == {"delivered": 3, "rejected": 0, "expired": 0, "pending": 0}
    assert measure.health().delivered == 3


def test_they_tell_why_points_were_dropped(meters: Meters) -> None:
    """By cause, as an attribute."""
    measure = JobMeasure(**there(DEAD, state_dir="memory"), meter_provider=meters.provider)
    run(measure, "nightly")
    assert not measure.close(0.1)
    assert meters.read()["dropped.memory"] == 3


def test_they_go_to_the_global_provider_where_none_is_given(server: TinyServer, meters: Meters) -> None:
    """Also where the app sets it later."""
    measure = JobMeasure(**there(server.url))
    metrics.set_meter_provider(meters.provider)
    run(measure, "nightly")
    assert measure.flush(10)
    assert meters.read()["delivered"] == 3


def test_two_with_one_journal_count_once(server: TinyServer, meters: Meters) -> None:
    """Two `JobMeasure`s share the journal, and only the first reports its points."""
    for name in ("a", "b"):
        measure = JobMeasure(**there(server.url), meter_provider=meters.provider)
        run(measure, name)
        assert measure.flush(10)
    assert meters.read()["delivered"] == 6


def test_two_journals_add_up(server: TinyServer, meters: Meters) -> None:
    """Those of two destinations are one sum."""
    for bucket in ("a", "b"):
        measure = JobMeasure(**there(server.url, influxdb_bucket=bucket), meter_provider=meters.provider)
        run(measure, bucket)
        assert measure.close(10)
    assert meters.read()["delivered"] == 6
