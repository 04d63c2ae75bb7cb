"""The way of docs/fleet.md, with the real programs: `ship` → intake → Kafka → drain → Telegraf → InfluxDB."""

import shutil
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from otel_job_measure import names
from tests.acceptance.recorded import Runs
from tests.collector.conftest import ENVIRONMENT
from tests.collector.fleet import Fleet, drain_of, started
from tests.collector.test_otlp_sink import monitor_rows
from tests.collector.ways import come, keys
from tests.support.influx import InfluxServer
from tests.support.processes import SHIP, Processes, until

STEP = 100


@pytest.fixture
def fleet(influx: InfluxServer, bucket: str, stack: ExitStack, tmp_path: Path) -> Fleet:
    """One of each program, started."""
    return started(influx, bucket, tmp_path, stack, ENVIRONMENT)


@pytest.mark.timeout(300)
def test_the_rows_are_the_very_rows(
    processes: Processes, runs: Runs, influx: InfluxServer, fleet: Fleet, state_dir: Path, tmp_path: Path
) -> None:
    """One journal, the monitor's rows in it, directly and through the fleet: row for row the same."""
    quiet = {"OTEL_JOB_MEASURE_HEARTBEAT": "off"}  # no rows of the sender itself, which differ each time
    app, killed = (processes.driver(OTEL_JOB_MEASURE_SHIP="off", **quiet) for _ in range(2))
    app.run("done")
    app.tell("fail", "failing")
    app.tell("many", "overlapping", "4", "5")
    killed.begin("killed")
    killed.kill()
    assert app.end() == 0
    segment = next((state_dir / "ready").glob("*.lp"))
    segment.write_bytes(segment.read_bytes() + monitor_rows(time.time_ns()))
    shutil.copytree(state_dir, tmp_path / "copy")
    direct = influx.new_bucket()
    assert processes.ship("--state-dir", str(tmp_path / "copy"), **influx.variables(direct), **quiet)[0] == 0
    rows = keys(influx.all_lines(direct))
    assert {measurement for measurement, *_ in rows} == {names.POINTS, names.RUNS, *names.MONITOR}

    wrong = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20wrong"}
    code, _, told = processes.ship(**(fleet.host() | wrong | quiet))
    assert (code, "set OTEL_EXPORTER_OTLP_HEADERS to" in told) == (1, True)

    code, said, told = processes.ship(**fleet.host(), **quiet)
    assert (code, said) == (0, f"{len(rows)} points accepted, 0 rejected, 0 expired\n"), told
    until(lambda: len(influx.all_lines(runs.bucket)) >= len(rows), "all rows")
    assert keys(influx.all_lines(runs.bucket)) == rows


@pytest.mark.timeout(400)
def test_each_program_is_killed_in_the_middle(
    processes: Processes, runs: Runs, influx: InfluxServer, fleet: Fleet, stack: ExitStack, tmp_path: Path
) -> None:
    """No run is lost. Of Telegraf's last rows that is so after a replay, which changes nothing else."""
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    ship = processes.start(*SHIP, **fleet.host())
    uuids = app.tell("many", "busy", "4", str(STEP // 4))
    come(influx, runs.bucket, STEP)
    for stop, start in ((influx.stop, influx.start), *((part.stop, part.start) for part in fleet.parts)):
        uuids += app.tell("many", "busy", "4", str(STEP // 4))
        stop(hard=True)
        uuids += app.tell("many", "busy", "4", str(STEP // 4))
        start()
    assert app.end() == 0
    again = drain_of(fleet.kafka, fleet.telegraf, tmp_path / "again", ENVIRONMENT, KAFKA_GROUP="again")
    stack.callback(again.stop)
    again.start()
    runs.become(dict.fromkeys(uuids, "end"), "all runs are in InfluxDB")
    ship.popen.send_signal(signal.SIGTERM)
    assert ship.end() == 0


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_partition_moves_to_another_collector(
    processes: Processes, runs: Runs, fleet: Fleet, stack: ExitStack, tmp_path: Path
) -> None:
    """A second drain shares the partitions, and takes all when the first is killed; hosts send over gRPC."""
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    ship = processes.start(*SHIP, **fleet.host("grpc"))
    uuids = app.tell("many", "busy", "4", str(STEP // 4))
    second = drain_of(fleet.kafka, fleet.telegraf, tmp_path / "second", ENVIRONMENT)
    stack.callback(second.stop)
    second.start()
    uuids += app.tell("many", "busy", "4", str(STEP // 4))
    fleet.drain.stop(hard=True)
    uuids += app.tell("many", "busy", "4", str(STEP // 4))
    assert app.end() == 0
    runs.become(dict.fromkeys(uuids, "end"), "all runs are in InfluxDB")
    ship.popen.send_signal(signal.SIGTERM)
    assert ship.end() == 0
