"""How fast what was left behind is sent, against a client that only posts what is ready."""

import gzip
import http.client
import itertools
import os
import random
import statistics
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from benchmarks.backlog import CHUNK, LINES_A_RUN
from benchmarks.bench import Bench
from benchmarks.commands import command, ship_variables
from benchmarks.tables import Column, Part, Table, at_least
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings
from tests.support.influx import InfluxServer

if TYPE_CHECKING:
    from collections.abc import Callable

_RUNS: Final = 80_000
_SMALL: Final = 50_000
_BATCH: Final = 5000
_TIMES: Final = 3
_SEED: Final = 4
_OF_BARE: Final = 65.0
_OF_BIG: Final = 35.0
_NO_CONTENT: Final = 204


def measure(bench: Bench) -> Part:
    """Sends the same number of lines each way, by turns, each time into an empty bucket.

    Args:
        bench: The servers; without an InfluxDB there is nothing to send to.
    """
    influx = bench.influx
    if influx is None:
        return Part()
    ways: dict[str, Callable[[], float]] = {
        "bare HTTP client, batches of 5,000 lines ready": lambda: _bare(influx, bench, gzipped=False),
        "the same, gzipped before": lambda: _bare(influx, bench, gzipped=True),
        f"ours, segments of {CHUNK:,} runs": lambda: _ours(influx, bench, _RUNS, CHUNK),
        "ours, the same with the history": lambda: _ours(influx, bench, _RUNS, CHUNK, history=True),
        f"ours, segments of one run, {_SMALL:,} at a time": lambda: _ours(influx, bench, _SMALL, 1),
        "the same files, only opened, read, closed and deleted": lambda: _files(bench, _SMALL),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    chance = random.Random(_SEED)  # noqa: S311 - the order of turns is no secret
    for _ in range(_TIMES):
        for way in chance.sample(list(ways), len(ways)):
            rates[way].append(ways[way]())
    bare, _, big, _, one_run, _ = rates.values()
    return Part(
        tables=(_table(rates),),
        verdicts=(
            at_least("drain of a backlog, of a bare client's lines/s", _percent(big, bare), _OF_BARE, "percent"),
            at_least("drain of segments of one run, of that of a backlog", _percent(one_run, big), _OF_BIG, "percent"),
        ),
    )


def _percent(rates: list[float], others: list[float]) -> float:
    """Compares what was measured side by side: how fast the machine is changes from minute to minute."""
    return 100 * statistics.median(rate / other for rate, other in zip(rates, others, strict=True))


def _table(rates: dict[str, list[float]]) -> Table:
    bare = next(iter(rates.values()))
    return Table(
        name="drain",
        title=f"Sending what waits to InfluxDB: {_RUNS:,} runs, {_RUNS * LINES_A_RUN:,} lines",
        columns=(
            Column(title="", unit="text"),
            Column(title="lines", unit="per second"),
            Column(title="of the bare client", unit="percent"),
        ),
        rows=tuple((way, statistics.median(each), _percent(each, bare)) for way, each in rates.items()),
        note="Ours is `otel-job-measure ship --once`, less the time that it takes with nothing to send.",
    )


def _ours(influx: InfluxServer, bench: Bench, runs: int, runs_a_segment: int, *, history: bool = False) -> float:
    where = bench.to_influx(influx)
    variables = ship_variables(where) | {"OTEL_JOB_MEASURE_HISTORY": str(history).lower()}
    ship = ("ship", "--once", "--env-file", "/dev/null")
    idle_s = command(*ship, home=where.folder, variables=variables).took_s
    settings = Settings.from_env(variables)
    bench.backlog.leave(settings, runs=runs, runs_a_segment=runs_a_segment)
    took_s = command(*ship, home=where.folder, variables=variables).took_s - idle_s
    if StateDir(settings.state_path).ready_segments(settings.destination_id) and not history:
        raise RuntimeError("`otel-job-measure ship --once` has left something")
    return runs * LINES_A_RUN / took_s


def _files(bench: Bench, runs: int) -> float:
    """Does only the work on a backlog's files that any sender must do."""
    settings = Settings(state_dir=bench.new_folder() / "state")
    bench.backlog.leave(settings, runs=runs, runs_a_segment=1)
    paths = [str(path) for path in StateDir(settings.state_path).ready.iterdir()]
    began_s = time.perf_counter()
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.read(fd, _BATCH)
        os.close(fd)
        os.unlink(path)  # noqa: PTH108 - it is the system's time that counts
    return runs * LINES_A_RUN / (time.perf_counter() - began_s)


def _bare(influx: InfluxServer, bench: Bench, *, gzipped: bool) -> float:
    where = bench.to_influx(influx)
    bodies = [gzip.compress(body, 6) if gzipped else body for body in _bodies(bench)]
    path = "/api/v2/write?" + urlencode({"org": where.org, "bucket": where.bucket, "precision": "ns"})
    headers = {"Authorization": f"Token {where.token}"} | ({"Content-Encoding": "gzip"} if gzipped else {})
    connection = http.client.HTTPConnection(urlsplit(where.server).netloc, timeout=60)
    began_s = time.perf_counter()
    for body in bodies:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != _NO_CONTENT:
            raise RuntimeError(f"InfluxDB answered {answer.status}")
    took_s = time.perf_counter() - began_s
    connection.close()
    return _RUNS * LINES_A_RUN / took_s


def _bodies(bench: Bench) -> list[bytes]:
    text = b"".join(bench.backlog.runs(_RUNS)).splitlines(keepends=True)
    return [b"".join(batch) for batch in _batched(text)]


def _batched(text: list[bytes]) -> list[tuple[bytes, ...]]:
    rest = iter(text)
    return list(iter(lambda: tuple(itertools.islice(rest, _BATCH)), ()))
