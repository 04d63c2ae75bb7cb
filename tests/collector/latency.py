"""How long a start and an end of a run take until InfluxDB gives them, each way: python -m tests.collector.latency.

The gateway's way ends at the trace backend: what InfluxDB gets is written by the agent before it.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeVar

from tests.support.backend import Backend, attributes_of
from tests.support.collectors import Collector, Telegraf, built, variables_for
from tests.support.exec_ import COMMAND
from tests.support.influx import InfluxServer, fresh_server
from tests.support.influxd import binary_path
from tests.support.watched import WatchedProcess

RUNS: Final = 60
PATIENCE_S: Final = 60.0
APP: Final = Path(__file__).parent / "apps" / "paced.py"
ROWS, SPANS = 'SELECT "uuid", "status" FROM "scheduling-job"', 'SELECT "attributes" FROM "spans"'

Event = tuple[str, str]  # a run's uuid, and its start or end
_Server = TypeVar("_Server", bound=WatchedProcess)


class Bench:
    """InfluxDB, and what stands before it in one way.

    Args:
        influx: The server.
        folder: A new one for this way.
        ending: Ends what was started.
    """

    def __init__(self, influx: InfluxServer, folder: Path, ending: ExitStack) -> None:
        self.influx = influx
        self.bucket = influx.new_bucket()
        self.backend = Backend()
        self._folder = folder
        self._ending = ending
        ending.callback(self.backend.close)

    def telegraf(self) -> Telegraf:
        """Starts Telegraf."""
        return self._started(
            Telegraf(built("telegraf", os.environ), self._folder / "telegraf", variables_for(self.influx, self.bucket))
        )

    def gateway(self) -> Collector:
        """Starts a gateway."""
        variables = {"PATH": os.environ["PATH"], "TRACES_ENDPOINT": self.backend.url}
        return self._started(Collector(built("collector", os.environ), self._folder / "gateway", variables, "gateway"))

    def agent(self, *more: str, **variables: str) -> Collector:
        """Starts an agent."""
        bucket = self.influx.new_bucket() if more else self.bucket
        variables = variables_for(self.influx, bucket) | {"TRACES_ENDPOINT": self.backend.url} | variables
        return self._started(
            Collector(built("collector", os.environ), self._folder / "agent", variables, "agent", *more)
        )

    def agent_and_telegraf(self) -> Collector:
        """Starts both, one behind the other."""
        return self.agent("agent-telegraf", TELEGRAF_ENDPOINT=self.telegraf().address)

    def app(self, kind: str, variables: Mapping[str, str]) -> subprocess.Popen[str]:
        """Starts the app that is measured."""
        command = [sys.executable, str(APP), str(RUNS), kind]
        environment = self.environment(variables)
        app = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return self._ending.enter_context(app)

    def ship(self, variables: Mapping[str, str]) -> None:
        """Starts `otel-job-measure ship`."""
        command = [*COMMAND, "ship", "--env-file", os.devnull]
        ship = self._ending.enter_context(subprocess.Popen(command, env=self.environment(variables)))
        self._ending.callback(ship.terminate)

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Returns the environment of what is ours."""
        return {**os.environ, "OTEL_JOB_MEASURE_STATE_DIR": str(self._folder / "state"), **variables}

    def _started(self, server: _Server) -> _Server:
        self._ending.callback(server.stop)
        server.start()
        return server


def direct(bench: Bench) -> subprocess.Popen[str]:
    """Has the app deliver by itself."""
    return bench.app("rows", bench.influx.variables(bench.bucket))


def ship(bench: Bench) -> subprocess.Popen[str]:
    """Has `ship` deliver what the app only appends."""
    variables = bench.influx.variables(bench.bucket)
    bench.ship(variables)
    return bench.app("rows", variables | {"OTEL_JOB_MEASURE_SHIP": "off"})


def sink_telegraf(bench: Bench) -> subprocess.Popen[str]:
    """Has the app send log records to Telegraf."""
    return bench.app("rows", _otlp(bench.telegraf().grpc) | {"OTEL_JOB_MEASURE_SINK": "otlp"})


def sink_agent(bench: Bench) -> subprocess.Popen[str]:
    """Has the app send log records to an agent before Telegraf."""
    return bench.app("rows", _otlp(bench.agent_and_telegraf().grpc) | {"OTEL_JOB_MEASURE_SINK": "otlp"})


def spans_telegraf(bench: Bench) -> subprocess.Popen[str]:
    """Has the app send spans to Telegraf."""
    return bench.app("spans", _otlp(bench.telegraf().grpc))


def spans_agent_telegraf(bench: Bench) -> subprocess.Popen[str]:
    """Has the app send spans to an agent before Telegraf."""
    return bench.app("spans", _otlp(bench.agent_and_telegraf().grpc))


def spans_agent(bench: Bench) -> subprocess.Popen[str]:
    """Has the app send spans to an agent, which writes them itself."""
    return bench.app("spans", _otlp(bench.agent().grpc))


def spans_agent_gateway(bench: Bench) -> subprocess.Popen[str]:
    """Has the app send spans to an agent, and that one to a gateway before the trace backend."""
    return bench.app("spans", _otlp(bench.agent(TRACES_ENDPOINT=bench.gateway().http).grpc))


WAYS: Final[dict[str, Callable[[Bench], subprocess.Popen[str]]]] = {
    "direct": direct,
    "ship on the host": ship,
    "OTLP sink, Telegraf": sink_telegraf,
    "OTLP sink, agent, Telegraf": sink_agent,
    "spans, Telegraf": spans_telegraf,
    "spans, agent, Telegraf": spans_agent_telegraf,
    "spans, agent": spans_agent,
    "spans, agent, gateway, trace backend": spans_agent_gateway,
}


def measured(bench: Bench, way: Callable[[Bench], subprocess.Popen[str]]) -> dict[str, list[float]]:
    """Runs the app, looks into the bucket all the while, and returns how many seconds its starts and ends took."""
    happened: dict[Event, int] = {}
    app = way(bench)
    reader = threading.Thread(target=_read, args=(app, happened))
    reader.start()
    seen: dict[Event, int] = {}
    over_s = time.monotonic() + PATIENCE_S + RUNS
    look = LOOKS.get(way, _rows)
    expected = 2 * RUNS if look is _rows else RUNS
    while len(seen) < expected:
        if time.monotonic() > over_s or app.poll() is not None:
            raise RuntimeError(f"only {len(seen)} of {expected} have come")
        found = look(bench)
        seen_ns = time.monotonic_ns()
        for event in found:
            seen.setdefault(event, seen_ns)
    assert app.stdin is not None
    app.stdin.close()
    app.wait()
    reader.join()
    took: dict[str, list[float]] = {"start": [], "end": []}
    for event, seen_ns in seen.items():
        took[event[1]].append((seen_ns - happened[event]) / 1e9)
    return took


def _read(app: subprocess.Popen[str], happened: dict[Event, int]) -> None:
    assert app.stdout is not None
    for line in app.stdout:
        uuid, status, clock_ns = json.loads(line)
        happened[uuid, status] = clock_ns


def _rows(bench: Bench) -> list[Event]:
    rows = [(row["uuid"], row["status"]) for row in bench.influx.influxql(ROWS, bench.bucket)]
    return [
        (str(uuid), str(status)) for uuid, status in rows if uuid and status
    ]  # a row can be seen before it is whole


def _spans(bench: Bench) -> list[Event]:
    texts = (str(row["attributes"]) for row in bench.influx.influxql(SPANS, bench.bucket))
    return [(json.loads(text)["scheduling.job.run_id"], "end") for text in texts]


def _exported(bench: Bench) -> list[Event]:
    threading.Event().wait(0.005)  # the backend takes spans in this process
    told = [attributes_of(span) for _, span in bench.backend.spans()]
    return [(each["scheduling.job.run_id"], "end") for each in told if "scheduling.job.run_id" in each]


LOOKS: Final[dict[Callable[[Bench], subprocess.Popen[str]], Callable[[Bench], list[Event]]]] = {
    spans_agent: _spans,
    spans_agent_gateway: _exported,
}


def _otlp(endpoint: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


def said(took_s: list[float]) -> str:
    """Writes the median and the 99th percentile, by nearest rank."""
    if not took_s:
        return "           -"
    ranked = sorted(took_s)
    p50, p99 = (ranked[-(-len(ranked) * percent // 100) - 1] for percent in (50, 99))
    return f"{p50:5.2f} {p99:6.2f}"


def main() -> None:
    """Measures each way, or those whose names begin as the arguments say, each with a server of its own."""
    sys.stdout.write(f"{RUNS} runs each, in seconds: start p50, p99; end p50, p99\n")
    for name, way in WAYS.items():
        if not name.startswith(tuple(sys.argv[1:]) or ""):
            continue
        with (
            tempfile.TemporaryDirectory() as folder,
            fresh_server(binary_path(os.environ), Path(folder)) as influx,
            ExitStack() as ending,
        ):
            took = measured(Bench(influx, Path(folder), ending), way)
            sys.stdout.write(f"{name:38}{said(took['start'])}   {said(took['end'])}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
