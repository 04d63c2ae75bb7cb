"""Large backlogs, and many processes at once."""

import threading
import time
from collections import Counter
from functools import partial
from typing import Final

from otel_job_measure import names
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings
from soak.asked import Asked
from soak.fault import fault
from soak.found import in_files, in_influx, segments
from soak.ground import Ground
from soak.left import leave, start_lines
from soak.tally import Row
from soak.weighed import peak_mib, processor_s
from tests.delivery.exchange import Exchange, Reply
from tests.delivery.support import TinyServer

_MOST_MIB: Final = 40
_A_BATCH: Final = 16_000
"""More lines of this kind than go into one request."""
_SMALL_HERD: Final = 100
_IDLE: Final = 0.0006
"""What an idle process may take of a processor."""
_MOST_ROTATIONS: Final = 64
_OF_MONITOR: Final = tuple(name.encode() for name in names.MONITOR)


class Counting:
    """A server that takes everything and remembers which lines came how often; it can be made to wait."""

    def __init__(self) -> None:
        self.tiny = TinyServer()
        self.tiny.play = self._play
        self.lines: Counter[bytes] = Counter()
        self.batches: list[list[bytes]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.came = threading.Semaphore(0)

    def variables(self) -> dict[str, str]:
        """Returns what sends a process's points here."""
        return {
            "INFLUXDB_URL": self.tiny.url,
            "INFLUXDB_TOKEN": "a-token",
            "INFLUXDB_ORG": "o",
            "INFLUXDB_BUCKET": "b",
        }

    def _play(self, exchange: Exchange) -> None:
        lines = exchange.request.lines
        self.batches.append([line for line in lines if b"job=left-" not in line])
        self.came.release()
        self.gate.wait(60)
        self.lines.update(lines)
        exchange.answer(Reply())

    def row(self, ground: Ground, expected: int) -> Row:
        """Returns the row: so many lines must have come; what came twice overwrites itself, and is not wrong."""
        self.tiny.close()
        found = sum(not line.startswith(_OF_MONITOR) for line in self.lines)
        return Row(
            fault=ground.fault,
            tried=ground.times,
            runs=expected,
            expected=expected,
            found=found,
            lost=max(0, expected - found),
            longest_wait_s=ground.books.wait_s(1),
            broken=tuple(ground.books.broken),
        )


def _usual_peak_mib(ground: Ground, server: Counting) -> float:
    """Returns the peak of a process that has no backlog to see to."""
    state_dir = str(ground.folder / "empty")
    asked = Asked(ground, **server.variables(), OTEL_JOB_MEASURE_STATE_DIR=state_dir)
    asked.runs(10)
    assert asked.flush(30)
    peak = peak_mib(asked.app.pid)
    asked.end()
    return peak


@fault("small segments left by other processes (tried: in thousands)", brief=3, long=100)
def small_segments(ground: Ground) -> Row:
    """A new run's points go before all but what is under way, the memory stays as it is, and everything is sent."""
    server = Counting()
    usual = _usual_peak_mib(ground, server)
    settings = Settings.from_env(server.variables(), state_dir=ground.state_dir)
    lines = start_lines(1000 * ground.times, time.time_ns() - 10**12)
    leave(StateDir(ground.state_dir), settings, ([line] for line in lines))
    server.gate.clear()
    seen = len(server.batches)
    asked = Asked(ground, **server.variables())
    asked.runs(1)
    for _ in range(2):  # its own, and the first of the backlog
        assert server.came.acquire(timeout=60)
        server.gate.set()
    ground.until(lambda: len(server.batches) >= seen + 2, "the backlog is being sent")
    asked.runs(1)
    begun = len(server.batches)
    ground.expect(asked.flush(60), "a new run's points were not delivered")
    ground.until(lambda: not list((ground.state_dir / "ready").iterdir()), "the backlog is sent")
    own = [number for number, batch in enumerate(server.batches) if batch]
    ground.expect(own[-1] <= begun + 2, f"a new run's points came in request {own[-1]}, after {begun} others")
    grown = peak_mib(asked.app.pid) - usual
    ground.expect(grown < _MOST_MIB, f"the backlog took {grown:.0f} MiB")
    asked.end()
    return server.row(ground, len(lines) + 3 * len(ground.books.begun))


@fault("a shipper killed in the middle of a backlog (tried: in 100,000 points)", brief=1, long=10)
def drained(ground: Ground) -> Row:
    """The next one goes on from where it was, but for what was under way; the memory stays as it is."""
    server = Counting()
    usual = _usual_peak_mib(ground, server)
    settings = Settings.from_env(server.variables(), state_dir=ground.state_dir)
    lines = start_lines(100_000 * ground.times, time.time_ns() - 10**12)
    leave(StateDir(ground.state_dir), settings, (lines[at : at + 80_000] for at in range(0, len(lines), 80_000)))
    kills, peak = 0, 0.0
    while True:
        wanted = len(server.batches) + ground.rng.randrange(2, 6)
        ship = ground.command("ship", "--once", "--env-file", "/dev/null", **server.variables())
        while ship.popen.poll() is None and len(server.batches) < wanted:
            ground.moment(0.01)
        if ship.popen.poll() is not None or kills == 2 * ground.times:
            break
        peak = max(peak, peak_mib(ship.pid))
        ship.kill()
        kills += 1
    ground.expect(ship.end() == 0, ship.stderr)
    again = sum(count - 1 for count in server.lines.values())
    ground.expect(again <= kills * _A_BATCH, f"{again} points were sent again after {kills} kills")
    ground.expect(peak - usual < _MOST_MIB, f"the backlog took {peak - usual:.0f} MiB")
    ground.expect(not segments(ground.state_dir), "segments are left")
    return server.row(ground, len(lines) + 3 * len(ground.books.begun))


@fault("more than max_bytes to keep", brief=1, long=10)
def no_room(ground: Ground) -> Row:
    """The oldest undelivered points go, each is counted, and the rest stays below the bound."""
    variables = ground.nowhere(OTEL_JOB_MEASURE_MAX_BYTES="1MiB", OTEL_JOB_MEASURE_HISTORY="off")
    dropped = 0
    for _ in range(ground.times):
        first = Asked(ground, **variables)
        first.runs(4000)
        first.end()
        second = Asked(ground, **variables)
        second.runs(1)
        ground.until(lambda: _size(ground) <= 1024**2, "the bound is kept")
        ground.until(partial(_dropped, second), "the loss is counted")
        dropped += _dropped(second)
        second.end()
    kept = len(set(in_files(ground.state_dir)))
    expected = 3 * len(ground.books.begun)
    # A run that is open when a segment is full has its start in the next one too, and may be counted with each.
    twice = kept + dropped - expected
    ground.expect(0 <= twice < _MOST_ROTATIONS * ground.times, f"{kept} points are kept and {dropped} counted as lost")
    return Row(
        fault=ground.fault,
        tried=ground.times,
        runs=len(ground.books.begun),
        expected=expected,
        found=min(expected, kept + dropped),
        lost=max(0, expected - kept - dropped),
        broken=tuple(ground.books.broken),
    )


def _dropped(asked: Asked) -> int:
    count: int = asked.health()["dropped"].get("max_bytes", 0)
    return count


def _size(ground: Ground) -> int:
    return sum(path.stat().st_size for path in segments(ground.state_dir) if path.exists())


@fault("processes alive at once, and idle (tried: processes)", brief=24, long=500, influx=True, alone=True)
def idle(ground: Ground) -> Row:
    """Each has a run open; all of them together cost next to nothing, and end in good order."""
    bucket = ground.server.new_bucket()
    herd = ground.app("soak.apps.herd", ground.times, 0, **ground.server.variables(bucket))
    pids = [int(pid) for pid in herd.line().removeprefix("> ").split()]
    ground.until(lambda: len(ground.server.lines(bucket)) == ground.times, "all starts are in InfluxDB")
    is_small = ground.times < _SMALL_HERD
    # Until the looks of the beginning are over, and what was written then is in the history.
    threading.Event().wait(2.0 if is_small else 75.0)
    window_s = 2.0 if is_small else 40.0
    before_s = processor_s(pids)
    threading.Event().wait(window_s)
    share = (processor_s(pids) - before_s) / window_s
    most = 0.01 + _IDLE * ground.times
    ground.expect(share < most, f"{ground.times} idle processes take {100 * share:.1f} % of a processor")
    assert herd.end() == 0, herd.stderr
    ground.ship(**ground.server.variables(bucket))
    return ground.row(in_influx(ground.server, bucket))
