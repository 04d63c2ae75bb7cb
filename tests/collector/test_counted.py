"""The agent's metrics of runs: one series for each job, place and outcome, whatever process ran it."""

from collections.abc import Callable, Sequence

import pytest

from tests.collector.ways import post_spans, span
from tests.support.backend import Backend
from tests.support.collectors import Collector
from tests.support.influx import InfluxServer, Row
from tests.support.processes import until

TAGS = {
    "scheduling.job.name": "nightly",
    "scheduling.job.project": "shop",
    "scheduling.job.status": "end",
}
PROCESSES = 300


@pytest.fixture
def counting(
    agent: Callable[..., Collector], influx: InfluxServer, bucket: str, backend: Backend
) -> tuple[Collector, str]:
    """An agent that writes its metrics to a bucket of their own each second, and that bucket."""
    counts = influx.new_bucket()
    return agent(counts, backend.url, INFLUXDB_SPANS_BUCKET=bucket, COLLECTOR_METRICS_INTERVAL="1s"), counts


def calls(influx: InfluxServer, bucket: str) -> list[Row]:
    """Returns the rows of `job.calls`."""
    return [row for row in influx.lines(bucket) if row.measurement == "job.calls"]


def total(rows: Sequence[Row]) -> int:
    """Returns how many runs rows of `job.calls` tell of."""
    return sum(int(str(row.fields["gauge"])) for row in rows)


def test_processes_of_one_job_share_a_series(influx: InfluxServer, counting: tuple[Collector, str]) -> None:
    """Their resources and the other attributes of their spans differ; only what the file names tells series apart."""
    through, counts = counting
    for number in range(1, PROCESSES + 1):
        own = {"service.instance.id": f"i{number}", "process.pid": f"{number}", "host.name": f"h{number}"}
        attributes = {"scheduling.job.name": "nightly", "scheduling.job.run_id": f"r{number}", "customer": f"{number}"}
        resource = {"service.name": "shop", "k8s.pod.name": f"p{number}", **own}
        post_spans(through.http, (resource, [span(trace=number, attributes=attributes)]))
    until(lambda: total(calls(influx, counts)) == PROCESSES, "metrics of all runs")
    through.stop()
    rows = influx.lines(counts)
    assert {row.measurement for row in rows} == {"job.calls", "job.duration"}
    assert [row.tags for row in rows] == [TAGS] * len(rows)


def test_a_restarted_agent_goes_on_with_the_same_series(influx: InfluxServer, counting: tuple[Collector, str]) -> None:
    """Nothing of the collector's own process is in the metrics."""
    through, counts = counting
    for number in (1, 2):
        attributes = {"scheduling.job.name": "nightly", "scheduling.job.project": "shop"}
        post_spans(through.http, ({"service.name": "shop"}, [span(trace=number, attributes=attributes)]))
        until(lambda number=number: total(calls(influx, counts)) == number, "the metric of the run")  # type: ignore[misc]
        through.stop()
        through.start()
    assert [row.tags for row in calls(influx, counts)] == [TAGS, TAGS]


def test_a_run_without_a_service_name_is_counted(influx: InfluxServer, counting: tuple[Collector, str]) -> None:
    """Also if the name is empty, and beside spans that have one."""
    through, counts = counting
    resources = [{}, {"service.name": ""}, {"service.name": "shop"}, {"service.name": "unknown_service:sh"}]
    job = {"scheduling.job.name": "nightly"}
    post_spans(
        through.http,
        *((resource, [span(trace=number, attributes=job)]) for number, resource in enumerate(resources, 1)),
    )
    until(lambda: total(calls(influx, counts)) == len(resources), "metrics of all runs")
    through.stop()
    assert {row.tags.get("scheduling.job.project") for row in calls(influx, counts)} == {None, "shop"}
