"""The fleet with 100,000 runs on their way, with a full disk of Kafka, and with a message that cannot be decoded."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from otel_job_measure import names
from tests.collector.conftest import ENVIRONMENT
from tests.collector.fleet import drain_of, intake_of, started
from tests.support.influx import InfluxServer
from tests.support.processes import SHIP, Processes, until

pytestmark = pytest.mark.long
RUNS = 100_000
PATIENCE_S = 2400.0
SMALL = "4m"  # an empty Kafka takes some hundred kilobytes, and a row about 40 bytes
LARGE = "600m"


def rows_in(influx: InfluxServer, bucket: str) -> int:
    """Counts the rows of a bucket."""
    asked = f'from(bucket: "{bucket}") |> range(start: -1d) |> filter(fn: (r) => r._field == "uuid") |> count()'
    return sum(int(str(row["_value"])) for row in influx.flux(asked))


def rows_of_runs(influx: InfluxServer, bucket: str) -> Counter[tuple[str, int]]:
    """Counts the runs with so many rows in a measurement.

    Right after a restart, InfluxDB can answer with some rows twice, so that others seem to have come.
    """
    asked = f'from(bucket: "{bucket}") |> range(start: -1d) |> filter(fn: (r) => r._field == "uuid")'
    rows = Counter((str(row["_measurement"]), row["_value"]) for row in influx.flux(asked))
    return Counter((measurement, count) for (measurement, _), count in rows.items())


def come_to(influx: InfluxServer, bucket: str, rows: int) -> int:
    """Waits until so many rows are there, and returns how many."""
    over_s = time.monotonic() + PATIENCE_S
    while (found := rows_in(influx, bucket)) < rows:
        assert time.monotonic() < over_s, f"{found} of {rows} rows have come"
        Event().wait(0.5)
    return found


@pytest.mark.timeout(5000)
def test_each_program_is_killed_in_the_middle_of_a_hundred_thousand_runs(
    processes: Processes, influx: InfluxServer, bucket: str, stack: ExitStack, tmp_path: Path
) -> None:
    """Each row is there once. Of Telegraf's last rows that is so after a replay."""
    fleet = started(influx, bucket, tmp_path, stack, ENVIRONMENT)
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    app.say(f"many busy 4 {RUNS // 4}")
    ship = processes.start(*SHIP, **fleet.host())
    come_to(influx, bucket, 1)
    ship.kill()
    ship = processes.start(*SHIP, **fleet.host())
    for part in (fleet.intake, fleet.kafka, fleet.drain, fleet.telegraf):
        seen = rows_in(influx, bucket)
        part.stop(hard=True)
        part.start()
        come_to(influx, bucket, min(seen + RUNS // 4, 3 * RUNS - 3000))
    influx.stop(hard=True)
    influx.start()
    assert len(set(app.answer())) == RUNS
    assert app.end() == 0
    again = drain_of(fleet.kafka, fleet.telegraf, tmp_path / "again", ENVIRONMENT, KAFKA_GROUP="again")
    stack.callback(again.stop)
    again.start()
    come_to(influx, bucket, 3 * RUNS)
    each_once = {(names.POINTS, 2): RUNS, (names.RUNS, 1): RUNS}
    until(lambda: rows_of_runs(influx, bucket) == each_once, "each row is there once", PATIENCE_S)
    ship.popen.send_signal(signal.SIGTERM)
    assert ship.end() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes at Kafka's folder for its data."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.timeout(1200)
def test_a_full_disk_of_kafka_loses_nothing(
    processes: Processes, influx: InfluxServer, bucket: str, small_disk: Path, stack: ExitStack, tmp_path: Path
) -> None:
    """Kafka ends itself. What it has not confirmed waits on the host until it has room and is started again."""
    fleet = started(influx, bucket, tmp_path, stack, ENVIRONMENT, kafka_data=small_disk / "data")
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    ship = processes.start(*SHIP, **fleet.host())
    come = 0
    while fleet.kafka.runs:
        come += len(app.tell("many", "busy", "4", "2500"))
        assert come <= 1_000_000, "the disk is not full"
    later = app.tell("many", "busy", "4", "250")
    subprocess.run(["mount", "-o", f"remount,size={LARGE}", small_disk], check=True)
    fleet.kafka.start()
    assert app.end() == 0
    rows = 3 * (come + len(later))
    assert come_to(influx, bucket, rows) == rows
    ship.popen.send_signal(signal.SIGTERM)
    assert ship.end() == 0


@pytest.mark.timeout(400)
def test_a_message_that_cannot_be_decoded_does_not_stop_the_others(
    processes: Processes, influx: InfluxServer, bucket: str, stack: ExitStack, tmp_path: Path
) -> None:
    """The drain logs it, leaves it behind, and goes on with the next one of its partition."""
    fleet = started(influx, bucket, tmp_path, stack, ENVIRONMENT)
    odd = intake_of(fleet.kafka, tmp_path / "odd", ENVIRONMENT, setting="exporters::kafka::logs::encoding: raw")
    stack.callback(odd.stop)
    odd.start()
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    app.tell("many", "unreadable", "4", "25")
    assert app.end() == 0
    assert processes.ship(**replace(fleet, intake=odd).host())[0] == 0
    until(lambda: "unmarshal" in fleet.drain.words, "the drain tells of it")
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    runs = len(app.tell("many", "busy", "4", "250"))
    assert app.end() == 0
    code, said, told = processes.ship(**fleet.host())
    assert code == 0, (said, told)
    assert come_to(influx, bucket, 3 * runs) == 3 * runs
