"""What Telegraf keeps of the rows that it has accepted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.recorded import Runs
from tests.collector.ways import sink
from tests.support.collectors import TELEGRAF, Telegraf
from tests.support.influx import InfluxServer
from tests.support.processes import Processes, until

RUNS = 1000
TAKING = 300  # rows that Telegraf's queues before its buffer hold


@pytest.mark.timeout(240)
@pytest.mark.parametrize("hard", [False, True], ids=["stopped", "killed"])
def test_the_default_keeps_what_it_accepts(
    processes: Processes,
    runs: Runs,
    influx: InfluxServer,
    telegraf: Callable[..., Telegraf],
    hard: bool,  # noqa: FBT001
) -> None:
    """Rows wait on disk while InfluxDB is down; killed, Telegraf loses only what it was just taking."""
    receiver = telegraf(runs.bucket)
    app = processes.driver(**sink(receiver.grpc))
    with influx.stopped():
        app.tell("many", "busy", "4", str(RUNS // 4))
        assert app.tell("flush", "120") is True
        receiver.stop(hard=hard)
        receiver.start()
    receiver.stop()  # it says what it has before it goes
    assert app.end() == 0
    rows = len(influx.lines(runs.bucket))
    assert 3 * RUNS - (TAKING if hard else 0) <= rows <= 3 * RUNS


def waiting(buffers: Path) -> bool:
    """Tells whether rows wait in a folder of disk buffers, as README.md does: `find … -type f -size +0`."""
    return any(file.stat().st_size for file in buffers.rglob("*") if file.is_file())


def test_an_edited_output_leaves_rows_behind_until_it_runs_as_it_was(
    processes: Processes, runs: Runs, influx: InfluxServer, telegraf: Callable[..., Telegraf], tmp_path: Path
) -> None:
    """README.md's check tells of them, and the former file sends them; another token leaves nothing behind."""
    buffers = tmp_path / "buffers"
    former = telegraf(runs.bucket, TELEGRAF_BUFFER_DIR=str(buffers))
    app = processes.driver(**sink(former.grpc))
    with influx.stopped():
        uuid = app.run("early")
        assert app.end() == 0
        former.stop()
    assert waiting(buffers)
    other = influx.write_only_token(runs.bucket)
    again = telegraf(runs.bucket, TELEGRAF_BUFFER_DIR=str(buffers), INFLUXDB_TOKEN="wrong")
    until(lambda: "unauthorized" in again.words, "the rows are tried with another token")
    again.stop()
    file = tmp_path / "telegraf.conf"
    file.write_text(TELEGRAF.read_text().replace('timeout = "10s"', 'timeout = "11s"'))
    edited = telegraf(runs.bucket, file=file, TELEGRAF_BUFFER_DIR=str(buffers), INFLUXDB_TOKEN=other)
    later = processes.driver(**sink(edited.grpc))
    uuids = {later.run("later"): "end"}
    assert later.end() == 0
    runs.become(uuids, "what came later is in InfluxDB")
    edited.stop()
    assert waiting(buffers)
    former.start()
    runs.become({uuid: "end", **uuids}, "what waited is in InfluxDB")
    until(lambda: not waiting(buffers), "nothing waits")


def test_a_new_token_in_the_file_leaves_no_row_behind(
    processes: Processes, runs: Runs, influx: InfluxServer, telegraf: Callable[..., Telegraf], tmp_path: Path
) -> None:
    """Rows that wait for a good token are written once the file has it, without a restart."""
    file = tmp_path / "influxdb_token"
    file.write_text("wrong")
    more = {"INFLUXDB_TOKEN": "@{files:influxdb_token}", "TELEGRAF_SECRETS": str(tmp_path)}
    receiver = telegraf(runs.bucket, "telegraf-token-file", **more)
    app = processes.driver(**sink(receiver.grpc))
    uuid = app.run("early")
    assert app.end() == 0
    until(lambda: "unauthorized" in receiver.words, "the refusal")
    file.write_text(influx.token)
    runs.become({uuid: "end"}, "the run is in InfluxDB")
    assert influx.token not in receiver.words
