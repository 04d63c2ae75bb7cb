"""How many requests it takes to find the lines that a server refuses: by counting them, not by the clock."""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from benchmarks.bench import Bench
from benchmarks.tables import Column, Part, Table
from otel_job_measure.delivery.influxdb.responses import Verdict
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Ack, Chunk
from otel_job_measure.settings import Settings
from tests.support.generations import GENERATIONS, AnyInflux, is_there

_NAMES: Final = {
    "1.8.10": "InfluxDB 1.8.10",
    "1.13.2": "InfluxDB 1.13.2",
    "2.7.12": "InfluxDB 2.7.12",
    "3.0-core": "InfluxDB 3 Core 3.0–3.2 (stub)",  # noqa: RUF001 - a range
    "3.6-core": "InfluxDB 3 Core 3.4–3.8 (stub)",  # noqa: RUF001 - the same
    "3.10-core": "InfluxDB 3 Core 3.9–3.10 (stub)",  # noqa: RUF001 - the same
    "3.10-partial": "InfluxDB 3 Core, accept_partial (stub)",
    "3-serverless": "Cloud Serverless (stub)",
    "3-dedicated": "Cloud Dedicated (stub)",
    "3-clustered": "Clustered (stub)",
}


class _Counting(InfluxSink):
    requests = 0

    def _request(self, lines: Sequence[bytes], timeout_s: float) -> Verdict:
        self.requests += 1
        return super()._request(lines, timeout_s)


class _Forgetting:
    def put(self, line: bytes, words: str) -> None:
        """Keeps nothing."""


def measure(bench: Bench) -> Part:
    """Sends batches with bad lines to each server that is there.

    Args:
        bench: The folders.
    """
    rows = [_row(name, bench) for name in GENERATIONS if is_there(os.environ, name)]
    titles = ("2 unreadable lines in 302", "2 of another type in 302", "60 of another type in 180")
    counted = tuple(Column(title=title, unit="count") for title in titles)
    table = Table(
        name="refused",
        title="Requests until every good line is there and every bad line is a dead letter",
        columns=(Column(title="", unit="text"), *counted),
        rows=tuple(rows),
    )
    return Part(tables=(table,))


def _row(name: str, bench: Bench) -> tuple[str | int, ...]:
    with ExitStack() as stack:
        server = stack.enter_context(GENERATIONS[name](os.environ, bench.new_folder()))
        server.start()
        return (
            _NAMES[name],
            _requests(server, ["garbage", "a,x v=1"], 300),
            _requests(server, [f'other v="text" {number}' for number in _times(2)], 300),
            _requests(server, [f'other v="text" {number}' for number in _times(60)], 120),
        )


def _times(count: int) -> range:
    now_ns = time.time_ns()
    return range(now_ns, now_ns + count)


def _requests(server: AnyInflux, bad: list[str], good: int) -> int:
    bucket = server.new_bucket()
    server.write(f"other v=1.5 {time.time_ns()}", bucket)
    lines = [f'scheduling-job,job=j uuid="{number}",status="start" {number}' for number in _times(good)]
    step = good // len(bad)
    for number, line in enumerate(bad):
        lines.insert(number * (step + 1) + step // 2, line)
    sink = _Counting(Settings(**server.arguments(bucket)), Counters(), _Forgetting())
    chunk = Chunk(segment="s", offset=0, data="".join(f"{line}\n" for line in lines).encode(), host="h")
    while (ack := sink.write([chunk]).ack) is Ack.MORE:
        pass
    sink.close()
    if ack is not Ack.DONE or len(server.lines(bucket)) != good + 1:
        raise RuntimeError(f"{server.version} has not taken every good line")
    return sink.requests
