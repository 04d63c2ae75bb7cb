"""Rows as log records: from the journal, through the real Telegraf and the real Collector, to the real InfluxDB."""

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.points.monitor import Alive, Event, Expected, MonitorRow, Sender, State
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from tests.acceptance.recorded import Runs
from tests.collector.ways import come, keys, sink
from tests.support.backend import Backend
from tests.support.collectors import Collector, Telegraf
from tests.support.influx import InfluxServer
from tests.support.processes import SHIP, Driver, Processes, until

Ways = Callable[[str], dict[str, str]]


@pytest.fixture(params=["telegraf", "agent by http", "agent by grpc"])
def way(
    request: pytest.FixtureRequest,
    bucket: str,
    influx: InfluxServer,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
) -> dict[str, str]:
    """The variables of a process whose rows reach the bucket: through Telegraf, or through an agent before it."""
    last = telegraf(bucket)
    if request.param == "telegraf":
        return sink(last.grpc)
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=last.address)
    return sink(first.http, "http/protobuf") if request.param == "agent by http" else sink(first.grpc)


def do_everything(app: Driver, killed: Driver) -> dict[str, str]:
    """Has jobs end, fail, overlap, stay open and be killed; returns how each run ends, by uuid."""
    ended = {app.run("done"): "end", app.tell("fail", "failing"): "error"}
    ended |= dict.fromkeys(app.tell("many", "overlapping", "4", "5"), "end")
    ended[killed.begin("killed")] = "lost"
    return ended


def test_starts_and_lost_runs_arrive_as_they_happen(processes: Processes, runs: Runs, way: dict[str, str]) -> None:
    """A start while its job runs, an end when it has ended, `lost` when its process is gone; each row once."""
    app, killed = processes.driver(**way), processes.driver(**way)
    uuid = app.begin("slow")
    runs.become({uuid: "start"}, "the start is in InfluxDB")
    ended = do_everything(app, killed)
    [lost] = [each for each, outcome in ended.items() if outcome == "lost"]
    runs.become({uuid: "start", **ended, lost: "start"}, "what has ended is in InfluxDB")
    killed.kill()
    runs_now = {uuid: "start", **ended}
    ship = processes.start(*SHIP, **way)
    runs.become(runs_now, "the killed run is lost")
    app.go_on(uuid)
    runs.become({uuid: "end", **ended}, "the slow run has ended")
    health = app.tell("health")
    assert (health["reachable"], health["rejected"]) == (True, 0)
    assert app.end() == 0
    ship.popen.send_signal(signal.SIGTERM)
    assert ship.end() == 0


def scheduled(uuid: str, outcome: Outcome) -> bytes:
    """Returns the rows of a run of which a scheduler knows more."""
    series, now_ns = Series("of a queue", DefaultTags(project="p")), time.time_ns()
    ending = Ending(
        uuid=uuid,
        outcome=outcome,
        end_ns=now_ns + 1_000_000,
        duration_s=1.0,
        host="web-1",
        attempt=2,
        lag_s=3.0,
        queued_s=0.25,
        trigger="message",
        task_id="a1 b2",
    )
    return start_line(series, uuid, now_ns) + ending_lines(series, ending, run_row=True, error_message=True)


def test_the_rows_are_the_very_rows(
    processes: Processes, runs: Runs, influx: InfluxServer, way: dict[str, str], state_dir: Path, tmp_path: Path
) -> None:
    """One journal, sent to InfluxDB directly and as records: row for row the same, to the nanosecond."""
    off = {"OTEL_JOB_MEASURE_SHIP": "off", "PROJECT_NAME": 'a b,c="d"', "CLUSTER_DATACENTER": "é\\x"}
    off |= {"OTEL_JOB_MEASURE_TAGS": "team,name", "OTEL_RESOURCE_ATTRIBUTES": "team=blue%20one,name=n"}
    off["OTEL_JOB_MEASURE_ERROR_MESSAGE"] = "on"
    app, killed = processes.driver(**off), processes.driver(**off)
    ended = do_everything(app, killed)
    killed.kill()
    assert app.end() == 0
    segment = next((state_dir / "ready").glob("*.lp"))
    segment.write_bytes(segment.read_bytes() + scheduled("scheduled", ENDED) + scheduled("retried", Outcome("retry")))
    ended |= {"scheduled": "end", "retried": "retry"}
    copy = tmp_path / "copy"
    shutil.copytree(state_dir, copy)
    direct = influx.new_bucket()
    assert processes.ship("--state-dir", str(copy), **influx.variables(direct))[0] == 0
    code, said, _ = processes.ship(**way)
    rows = influx.lines(direct)
    assert (code, said) == (0, f"{len(rows)} points accepted, 0 rejected, 0 expired\n")
    assert Runs(influx=influx, bucket=direct).outcomes() == ended
    assert keys(come(influx, runs.bucket, len(rows))) == keys(rows)


def monitor_rows(now_ns: int) -> bytes:
    """Returns one row of each of the monitor's measurements, with texts and numbers that JSON could change."""
    job = JobId("a, b=c", "p\\x")
    rows: tuple[MonitorRow, ...] = (
        Alive(tags={"job": "j", "host.name": "w 1"}, at_ns=now_ns, uuid="u", host="w", age_s=60.0, interval_s=60.0),
        Event(job=job, event="missed", at_ns=now_ns, due_ns=now_ns, detail='no "start"', withdrawn=True),
        Event(job=job, event="skipped", at_ns=now_ns, due_ns=now_ns + 1, uuid="v"),
        State(job=job, at_ns=now_ns, state="never ran", level=2, since_ns=now_ns - 1, due_ns=now_ns + 1),
        Expected(job=job, at_ns=now_ns, source="code", version=3, text=json.dumps({"a": '"é\\\n', "b": [1.0, 2]})),
        Sender(host="w-1", at_ns=now_ns, complete_until_ns=now_ns - 7, pending=0, left=False),
        Sender(host="w-2", at_ns=now_ns, complete_until_ns=now_ns + 2**61 - now_ns % 2**61, pending=9, left=True),
    )
    return b"".join(map(line_of, rows))


def test_the_rows_of_the_monitor_are_the_very_rows(
    processes: Processes, influx: InfluxServer, bucket: str, way: dict[str, str], state_dir: Path, tmp_path: Path
) -> None:
    """Events, states, expectations, signs of life and the words of senders: field for field the same."""
    off = {"OTEL_JOB_MEASURE_SHIP": "off", "OTEL_JOB_MEASURE_HEARTBEAT": "off"}
    app = processes.driver(**off)
    app.run("job")
    assert app.end() == 0
    segment = next((state_dir / "ready").glob("*.lp"))
    segment.write_bytes(segment.read_bytes() + monitor_rows(time.time_ns()))
    copy = tmp_path / "copy"
    shutil.copytree(state_dir, copy)
    direct = influx.new_bucket()
    variables = {**influx.variables(direct), **off, "OTEL_JOB_MEASURE_SHIP": "on"}
    assert processes.ship("--state-dir", str(copy), **variables)[1] == "10 points accepted, 0 rejected, 0 expired\n"
    assert processes.ship(**way, OTEL_JOB_MEASURE_HEARTBEAT="off")[0] == 0
    until(lambda: len(influx.all_lines(bucket)) >= 10, "all rows")
    assert keys(influx.all_lines(bucket)) == keys(influx.all_lines(direct))


def test_nothing_is_lost_while_telegraf_is_started_again(
    processes: Processes, runs: Runs, telegraf: Callable[..., Telegraf]
) -> None:
    """In the middle of a thousand runs, and while it is down for the end of them.

    It is stopped between two requests: of one that it is just taking it can say yes, and lose it all the same.
    """
    receiver = telegraf(runs.bucket)
    app = processes.driver(**sink(receiver.grpc))
    uuids = app.tell("many", "busy", "4", "50")
    assert app.tell("flush", "90") is True
    receiver.stop()
    app.say("many busy 4 100")
    receiver.start()
    uuids += app.answer()
    assert app.tell("flush", "90") is True
    receiver.stop()
    uuids += app.tell("many", "busy", "4", "100")
    assert app.tell("health")["pending"] > 0
    assert app.tell("flush", "0.1") is False
    receiver.start()
    assert app.tell("flush", "90") is True
    assert app.end() == 0
    runs.become(dict.fromkeys(uuids, "end"), "all thousand runs are in InfluxDB")


def kept(buffers: Path, uuid: str) -> int:
    """Returns how many rows of a run are in a folder of disk buffers."""
    return sum(file.read_bytes().count(uuid.encode()) for file in buffers.rglob("*") if file.is_file())


@pytest.mark.parametrize(("buffer", "outcome"), [("memory", None), ("disk", "end")])
def test_an_acknowledgement_is_as_good_as_what_the_receiver_keeps_rows_in(
    processes: Processes,
    runs: Runs,
    telegraf: Callable[..., Telegraf],
    tmp_path: Path,
    buffer: str,
    outcome: str | None,
) -> None:
    """Telegraf says yes before InfluxDB has anything: killed then, it loses what was in memory, and nothing on disk.

    It says yes even before a row is on the disk: the test waits for that.
    """
    buffers = tmp_path / "buffers"
    receiver = telegraf(runs.bucket, TELEGRAF_BUFFER=buffer, TELEGRAF_BUFFER_DIR=str(buffers))
    app = processes.driver(**sink(receiver.grpc))
    with runs.influx.stopped():
        uuid = app.run("acknowledged")
        assert app.tell("flush", "90") is True
        if buffer == "disk":
            until(lambda: kept(buffers, uuid) == 3, "the rows of the run are on the disk")
        receiver.stop(hard=True)
    receiver.start()
    later = app.run("later")
    assert app.end() == 0
    runs.become({later: "end"} | ({} if outcome is None else {uuid: outcome}), "what is left is in InfluxDB")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_nothing_is_lost_while_a_collector_has_nobody_to_hand_it_on_to(
    processes: Processes,
    runs: Runs,
    influx: InfluxServer,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
    protocol: str,
) -> None:
    """It says yes when the next one has; till then rows stay where they are, and killed it takes none along."""
    last = telegraf(runs.bucket)
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=last.address)
    last.stop()
    app = processes.driver(**sink(first.http if protocol == "http/protobuf" else first.grpc, protocol))
    uuids = app.tell("many", "busy", "2", "100")
    assert app.tell("flush", "2") is False
    assert app.tell("health")["delivered"] == 0
    first.stop(hard=True)
    uuids += app.tell("many", "busy", "2", "100")
    last.start()
    first.start()
    assert app.tell("flush", "90") is True
    assert app.tell("health")["delivered"] >= 3 * len(uuids)
    assert app.end() == 0
    runs.become(dict.fromkeys(uuids, "end"), "all runs are in InfluxDB")


def test_what_answers_4xx_gets_it_when_it_is_put_right(
    processes: Processes,
    runs: Runs,
    influx: InfluxServer,
    telegraf: Callable[..., Telegraf],
    agent: Callable[..., Collector],
    backend: Backend,
) -> None:
    """At a wrong path the collector says 404, and the log what to set; what waited for it goes to the right one."""
    last = telegraf(runs.bucket)
    first = agent(influx.new_bucket(), backend.url, "agent-telegraf", TELEGRAF_ENDPOINT=last.address)
    app = processes.driver(**sink(f"{first.http}/nowhere", "http/protobuf"))
    uuid = app.run("early")
    assert app.tell("flush", "1") is False
    assert app.end() == 0
    assert "set OTEL_EXPORTER_OTLP_ENDPOINT to the address of a receiver of OTLP logs" in app.stderr
    right = sink(first.http, "http/protobuf")
    code, said, told = processes.ship(**right)
    assert (code, said) == (0, "0 points accepted, 0 rejected, 0 expired\n")
    assert f"wait for {first.http}/nowhere/v1/logs (http/protobuf);" in told
    assert processes.ship("--redirect", **right)[1] == "3 points accepted, 0 rejected, 0 expired\n"
    runs.become({uuid: "end"}, "the run is in InfluxDB")


def test_what_is_sent_twice_is_there_once(
    processes: Processes, runs: Runs, telegraf: Callable[..., Telegraf], state_dir: Path, tmp_path: Path
) -> None:
    """A record that comes again makes the same row: it doubles in a store of logs, and not in InfluxDB."""
    receiver = telegraf(runs.bucket)
    app = processes.driver(OTEL_JOB_MEASURE_SHIP="off")
    uuids = app.tell("many", "job", "1", "10")
    assert app.end() == 0
    shutil.copytree(state_dir, tmp_path / "copy")
    for folder in (state_dir, tmp_path / "copy"):
        sent = processes.ship("--state-dir", str(folder), **sink(receiver.grpc))
        assert sent[:2] == (0, "30 points accepted, 0 rejected, 0 expired\n")
    receiver.stop()  # it says what it has before it goes
    assert runs.outcomes() == dict.fromkeys(uuids, "end")


def test_http_to_telegraf_says_what_to_set(processes: Processes, runs: Runs, telegraf: Callable[..., Telegraf]) -> None:
    """Its port takes gRPC only, and the protocol's default is HTTP."""
    receiver = telegraf(runs.bucket)
    app = processes.driver(**sink(receiver.grpc, "http/protobuf"))
    app.run("early")
    assert app.tell("flush", "1") is False
    assert app.end() == 0
    assert "if that is a port for gRPC, set OTEL_EXPORTER_OTLP_PROTOCOL to grpc" in app.stderr
