"""What the agent puts into InfluxDB, and what it hands on."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.collector.ways import Told, environment, post_span, run_app
from tests.support.backend import Backend
from tests.support.collectors import Collector
from tests.support.influx import InfluxServer, Row
from tests.support.processes import until

COUNTED = {"threads", "tasks", "own", "own-fails", "says-so"}
SECRET = "a secret of a customer"
PLACE = {"scheduling.job.datacenter": "eu-1", "scheduling.job.project": "shop", "scheduling.job.stage": "test"}


def test_job_spans_and_nothing_else_reach_influxdb(
    influx: InfluxServer, bucket: str, agent: Callable[..., Collector], backend: Backend
) -> None:
    """One row a run, without anything private; the backend gets every span, and metrics count the runs."""
    through = agent(
        counts := influx.new_bucket(), backend.url, INFLUXDB_SPANS_BUCKET=bucket, COLLECTOR_METRICS_INTERVAL="1s"
    )
    runs = run_app(environment(influx, influx.new_bucket(), through.http, "http/protobuf"))
    until(lambda: counted(influx.lines(counts)) == numbers(runs), "metrics of all runs")
    through.stop()  # it says what spans it has before it goes
    expected = {(run.uuid, run.status, run.reason) for run in runs if run.job not in {"unsampled", "killed"}}

    rows = influx.lines(bucket)
    assert {row.measurement for row in rows} == {"spans"}
    told = [json.loads(str(row.fields["attributes"])) for row in rows]
    found = {
        (each["scheduling.job.run_id"], each["scheduling.job.status"], each.get("scheduling.job.reason"))
        for each in told
    }
    # A span that the app opened itself does not say why it failed.
    own = {run.uuid for run in runs if run.job.startswith("own")}
    assert found == {(uuid, status, None if uuid in own else reason) for uuid, status, reason in expected}
    assert SECRET not in repr(rows)

    exported = backend.spans()
    assert len(expected) == len(rows) < len(exported)
    assert {span.name for _, span in exported} >= {"query", "no job", "work", "run tasks"}
    assert SECRET in repr([(span.status, span.events, span.attributes) for _, span in exported])


def test_attributes_reach_influxdb_by_name(
    influx: InfluxServer, bucket: str, agent: Callable[..., Collector], backend: Backend
) -> None:
    """Names with dots, with `|` between them; the others do not, though their names begin or end the same."""
    more = {"INFLUXDB_SPANS_BUCKET": bucket, "COLLECTOR_ATTRIBUTES": "customer.email|order[.]id"}
    through = agent(influx.new_bucket(), backend.url, **more)  # its metrics come at any time
    wanted = {"customer.email": SECRET, "order.id": "7"}
    others = {"customer": "no", "customer.email.old": "no", "the.order.id": "no", "order-id": "no"}
    post_span(through.http, trace=7, attributes={"scheduling.job.name": "nightly"} | wanted | others)
    until(lambda: influx.lines(bucket), "the span")
    [row] = influx.lines(bucket)
    told = json.loads(str(row.fields["attributes"]))
    assert {name: text for name, text in told.items() if not name.startswith("scheduling.job.")} == wanted


def test_the_token_can_come_from_a_file_and_change(
    influx: InfluxServer, bucket: str, agent: Callable[..., Collector], backend: Backend, tmp_path: Path
) -> None:
    """A wrong token in the file refuses what comes; the right one writes what comes after it, without a restart."""
    file = tmp_path / "token"
    file.write_text("wrong\n")
    through = agent(bucket, backend.url, INFLUXDB_TOKEN="", INFLUXDB_TOKEN_FILE=str(file))
    post_span(through.http, trace=7, attributes={"scheduling.job.name": "early"})
    until(lambda: "unauthorized" in through.words, "the refusal")
    file.write_text(influx.token + "\n")
    until(lambda: sent(through, "late") and "late" in str(influx.lines(bucket)), "a later span")
    assert influx.token not in through.words


def test_spans_on_the_disk_outlive_a_killed_agent(
    influx: InfluxServer, bucket: str, agent: Callable[..., Collector], backend: Backend, tmp_path: Path
) -> None:
    """They waited for InfluxDB, and are written when both are back."""
    queue = {"COLLECTOR_QUEUE_DIR": str(tmp_path / "queue")}
    through = agent(influx.new_bucket(), backend.url, "agent-disk", INFLUXDB_SPANS_BUCKET=bucket, **queue)
    with influx.stopped():
        post_span(through.http, trace=7, attributes={"scheduling.job.name": "nightly"})
        until(lambda: tried(through), "the first attempt, after the span was put into the queue")
        through.stop(hard=True)
    through.start()
    until(lambda: [row.tags["scheduling.job.name"] for row in influx.lines(bucket)] == ["nightly"], "the span")


def tried(agent: Collector) -> bool:
    """Tells whether an agent has tried to write a span; it can have tried to write metrics before."""
    return any("influxdb/spans" in line and "connection refused" in line for line in agent.words.splitlines())


def sent(agent: Collector, job: str) -> bool:
    """Posts a job's span."""
    post_span(agent.http, trace=8, attributes={"scheduling.job.name": job})
    return True


def test_messages_reach_influxdb_where_that_was_asked_for(
    influx: InfluxServer, bucket: str, agent: Callable[..., Collector], backend: Backend
) -> None:
    """What exceptions say, and what is in attributes that were named; nothing else."""
    more = {"OTEL_JOB_MEASURE_ERROR_MESSAGE": "on", "COLLECTOR_ATTRIBUTES": "customer"}
    through = agent(bucket, backend.url, **more)
    run_app(environment(influx, influx.new_bucket(), through.grpc))
    through.stop()
    rows = influx.lines(bucket)
    [failed] = [row for row in rows if row.fields.get("otel.status_description") == f"ValueError: {SECRET}"]
    assert json.loads(str(failed.fields["attributes"]))["customer"] == SECRET
    events = [json.loads(str(row.fields["attributes"])) for row in rows if row.measurement == "logs"]
    assert SECRET in {event["exception.message"] for event in events}


def numbers(runs: Sequence[Told]) -> Counter[tuple[str, str]]:
    """Returns how many runs there were, by job and status, of some jobs."""
    return Counter((run.job, run.status) for run in runs if run.job in COUNTED)


def counted(rows: Sequence[Row]) -> Counter[tuple[str, str]] | None:
    """Returns how many runs the metrics tell of, by job and status, of some jobs; None while the two differ."""
    calls: Counter[tuple[str, str]] = Counter()
    durations: Counter[tuple[str, str]] = Counter()
    for row in rows:
        key = (row.tags.get("scheduling.job.name", ""), row.tags.get("scheduling.job.status", ""))
        if key[0] in COUNTED:
            assert row.tags.items() >= PLACE.items()
            if row.measurement == "job.calls":
                calls[key] += int(str(row.fields["gauge"]))
            elif row.measurement == "job.duration":
                durations[key] += int(float(str(row.fields["count"])))
    return calls if calls == durations else None
