"""All programs of docs/fleet.md, one of each: `ship` → intake → Kafka → drain → Telegraf → InfluxDB."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.collector.ways import sink
from tests.delivery.support import CA_FILE, SERVER_PEM
from tests.support.collectors import Collector, Telegraf, built, variables_for
from tests.support.influx import InfluxServer
from tests.support.kafka import Kafka
from tests.support.watched import WatchedProcess

TOKEN = "token-of-a-host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The programs between a host and InfluxDB."""

    intake: Collector
    kafka: Kafka
    drain: Collector
    telegraf: Telegraf

    @property
    def parts(self) -> tuple[WatchedProcess, ...]:
        """Returns the programs, in the order in which rows pass them."""
        return self.intake, self.kafka, self.drain, self.telegraf

    def host(self, protocol: str = "http/protobuf") -> dict[str, str]:
        """Returns the variables of a `ship` on a host."""
        address = self.intake.http if protocol == "http/protobuf" else self.intake.grpc
        return sink(
            address.replace("http://127.0.0.1", "https://localhost"),
            protocol,
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{TOKEN}",
            OTEL_EXPORTER_OTLP_CERTIFICATE=str(CA_FILE),
            OTEL_JOB_MEASURE_TIMEOUT="40",
        )


def drain_of(kafka: Kafka, telegraf: Telegraf, folder: Path, environ: Mapping[str, str], **more: str) -> Collector:
    """Returns a collector that takes rows out of Kafka."""
    variables = {"PATH": os.environ["PATH"], "KAFKA_BROKERS": kafka.address, "KAFKA_PLAINTEXT": "true"}
    variables |= {"TELEGRAF_ENDPOINT": telegraf.address, "TELEGRAF_PLAINTEXT": "true"}
    return Collector(built("collector", environ), folder, variables | more, "fleet/drain")


def intake_of(kafka: Kafka, folder: Path, environ: Mapping[str, str], setting: str | None = None) -> Collector:
    """Returns a collector that puts rows into Kafka."""
    variables = {"PATH": os.environ["PATH"], "KAFKA_BROKERS": kafka.address, "KAFKA_PLAINTEXT": "true"}
    variables |= {"INTAKE_TLS_CERT": str(SERVER_PEM), "INTAKE_TLS_KEY": str(SERVER_PEM), "INTAKE_TOKEN": TOKEN}
    return Collector(built("collector", environ), folder, variables, "fleet/intake", setting=setting)


def started(
    influx: InfluxServer,
    bucket: str,
    folder: Path,
    ending: ExitStack,
    environ: Mapping[str, str],
    kafka_data: Path | None = None,
) -> Fleet:
    """Starts one of each."""
    kafka = Kafka(built("kafka", environ), folder / "kafka", data=kafka_data)
    telegraf = Telegraf(built("telegraf", environ), folder / "telegraf", variables_for(influx, bucket))
    # On a busy machine Kafka takes longer than the five seconds after which an intake puts a host off.
    intake = intake_of(kafka, folder / "intake", environ, setting="exporters::kafka::timeout: 30s")
    drain = drain_of(kafka, telegraf, folder / "drain", environ)
    fleet = Fleet(intake=intake, kafka=kafka, drain=drain, telegraf=telegraf)
    for part in (kafka, telegraf, intake, drain):
        ending.callback(part.stop)
        part.start()
    return fleet
