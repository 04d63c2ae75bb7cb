"""Processes of a real uWSGI. C code forks them: no fork hook of Python's runs, and the GIL may be another thread's."""

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.delivery.support import TinyServer
from tests.runtime.support import history, variables
from tests.support.processes import until
from tests.support.uwsgi import MASTER, Uwsgi

REQUESTS = 100
BEFORE = 5


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything."""
    tiny = TinyServer()
    yield tiny
    tiny.close()


def points(server: TinyServer) -> list[str]:
    """Returns the points of `scheduling-job` that a server was sent; one that it was sent twice is one."""
    lines = {line.decode() for request in server.requests for line in request.lines}
    return [line for line in lines if line.startswith("scheduling-job,")]


def sent(server: TinyServer, status: str) -> Counter[str]:
    """Returns how many points of a status each run has, by its uuid."""
    found = [line for line in points(server) if f'status="{status}"' in line]
    return Counter(line.partition('uuid="')[2].partition('"')[0] for line in found)


def jobs(server: TinyServer) -> Counter[str]:
    """Returns how many runs of each job have ended."""
    found = [line for line in points(server) if 'status="end"' in line]
    return Counter(line.partition("job=")[2].partition(" ")[0].partition(",")[0] for line in found)


def requested(uwsgi: Uwsgi, count: int = REQUESTS) -> list[str]:
    """Makes many requests, several at a time, and returns the uuids of their runs."""
    with ThreadPoolExecutor(8) as pool:
        return [answer.split()[0] for answer in pool.map(uwsgi.get, ["/"] * count)]


def check_exact(server: TinyServer, uuids: list[str]) -> None:
    """Each run has one start and one end, and no two points have one timestamp."""
    for status in ("start", "end"):
        found = sent(server, status)
        assert set(uuids) <= found.keys()
        assert set(found.values()) == {1}
    times = Counter(line.rpartition(" ")[2] for line in points(server))
    assert set(times.values()) == {1}


@pytest.mark.parametrize(
    ("options", "loads"),
    [
        (MASTER, 1),
        (("--master", "--processes", "2"), 1),
        ((*MASTER, "--threads", "4"), 1),
        ((*MASTER, "--py-call-uwsgi-fork-hooks"), 1),
        ((*MASTER, "--py-call-osafterfork"), 1),
        ((*MASTER, "--cheaper", "1"), 1),
        ((*MASTER, "--lazy-apps"), 4),
        (("--processes", "4", "--enable-threads"), 1),
    ],
)
def test_no_run_is_lost_or_merged(options: tuple[str, ...], loads: int, server: TinyServer, tmp_path: Path) -> None:
    """Runs before the fork and in the workers are delivered while the workers live."""
    with Uwsgi(tmp_path, *options, BEFORE=str(BEFORE), **variables(server.url)) as uwsgi:
        uuids = requested(uwsgi)
        until(lambda: set(uuids) <= sent(server, "end").keys(), "the runs of requests, while the workers live")
        until(lambda: jobs(server)["before"] == loads * BEFORE, "the runs before the fork, while the workers live")
        uwsgi.end()
    check_exact(server, uuids)


def test_workers_can_be_replaced_at_any_time(server: TinyServer, tmp_path: Path) -> None:
    """The master forks again and again; the run of a killed worker is lost, and nothing else."""
    with Uwsgi(tmp_path, *MASTER, BEFORE=str(BEFORE), FLUSH="1", **variables(server.url)) as uwsgi:
        uuids = [uwsgi.get().split()[0]]
        assert jobs(server)["before"] == BEFORE
        uuids += requested(uwsgi)
        for _ in range(4):
            with pytest.raises(OSError, match=r".*"):
                uwsgi.get("/die")
            uuids += requested(uwsgi, 10)
        uwsgi.send(signal.SIGHUP)
        until(lambda: "gracefully (RE)spawned" in uwsgi.log, "a reload")
        until(lambda: uwsgi.log.rpartition("gracefully (RE)spawned")[2].count("spawned uWSGI worker") == 4, "workers")
        uuids += requested(uwsgi)
        until(lambda: set(uuids) <= sent(server, "end").keys(), "the runs of requests")
        uwsgi.end()
    check_exact(server, uuids)
    runs = Counter(history(uwsgi.state_dir))
    assert runs["die", "failed", "lost"] == 4
    assert runs["request", "end", None] == len(uuids)
