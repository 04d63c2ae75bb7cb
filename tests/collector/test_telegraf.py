"""Rows through Telegraf: the very rows that the app itself writes."""

from collections.abc import Callable

import grpc
import pytest

from otel_job_measure import names
from tests.collector.ways import come, environment, happened, keys, post_span, run_app
from tests.delivery.support import CA_FILE, SERVER_PEM
from tests.support.backend import Backend
from tests.support.collectors import Collector, Telegraf
from tests.support.influx import InfluxServer
from tests.support.processes import until

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.mark.parametrize("message", ["off", "on"])
def test_rows_through_telegraf_are_the_very_rows(
    influx: InfluxServer, bucket: str, telegraf: Callable[..., Telegraf], message: str
) -> None:
    """Tag for tag, field for field, to the nanosecond, also for odd names; what no span tells of is not there."""
    more = {"OTEL_JOB_MEASURE_ERROR_MESSAGE": message}
    through = telegraf(other := influx.new_bucket(), OTEL_JOB_MEASURE_TAGS="team", **more)
    runs = run_app(environment(influx, bucket, through.grpc, **more))
    direct = influx.lines(bucket)
    assert happened(direct) == {(run.uuid, run.status, run.reason, run.error_type) for run in runs}
    seen = {run.uuid for run in runs if run.job not in {"unsampled", "killed"}}
    expected = [row for row in direct if row.fields["uuid"] in seen]
    assert keys(come(influx, other, len(expected))) == keys(expected)
    messages = {row.fields.get("error_message") for row in expected} - {None}
    assert bool(messages) is (message == "on")


def test_both_ways_into_one_bucket_give_each_run_once(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
) -> None:
    """Through agent and Telegraf, with the direct way on: each row overwrites its twin."""
    through = telegraf(bucket, OTEL_JOB_MEASURE_TAGS="team")
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=through.address)
    runs = run_app(environment(influx, bucket, first.http, "http/protobuf"))
    post_span(first.http, trace=7, attributes={"scheduling.job.name": "foreign"})
    until(lambda: any(row.tags["job"] == "foreign" for row in influx.lines(bucket)), "what came after them")
    first.stop()
    through.stop()  # both say what they have before they go
    rows = [row for row in influx.lines(bucket) if row.tags["job"] != "foreign"]
    assert happened(rows) == {(run.uuid, run.status, run.reason, run.error_type) for run in runs}
    assert len(rows) == 3 * len(runs)
    assert {row.measurement for row in rows} == {names.POINTS, names.RUNS}


def test_the_agent_reaches_telegraf_over_tls(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
) -> None:
    """With the certificates to trust in a file; plain text does not reach it."""
    through = telegraf(bucket, TELEGRAF_TLS_CERT=str(SERVER_PEM), TELEGRAF_TLS_KEY=str(SERVER_PEM))
    reach = {"TELEGRAF_ENDPOINT": through.address.replace("127.0.0.1", "localhost")}
    trust = {"TELEGRAF_PLAINTEXT": "false", "TELEGRAF_CA_FILE": str(CA_FILE)}
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", **reach, **trust)
    post_span(first.http, trace=7, attributes={"scheduling.job.name": "nightly"})
    come(influx, bucket, 3)
    with grpc.insecure_channel(through.address) as plain:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = plain.unary_unary(METHOD)
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=5)


def test_the_agent_speaks_no_plain_text_where_tls_is_asked_for(
    influx: InfluxServer,
    bucket: str,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
) -> None:
    """A Telegraf without a certificate gets nothing, and the log says why."""
    reach = {"TELEGRAF_ENDPOINT": telegraf(bucket).address, "TELEGRAF_PLAINTEXT": "false"}
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", **reach)
    post_span(first.http, trace=7, attributes={"scheduling.job.name": "nightly"})
    until(lambda: "tls: first record does not look like a TLS handshake" in first.words, "the refusal")
    assert influx.lines(bucket) == []
