"""What a job costs more in the workers of schedulers that are measured."""

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import redis
import rq

from benchmarks.bench import Bench
from benchmarks.celery_app import GATE, INSTRUMENTED, app_of
from benchmarks.commands import ship_variables
from benchmarks.interleaved import ROOT, environment
from benchmarks.tables import Column, Part, Table, at_most
from tests.support.brokers import Redis

_PLAIN: Final = "not measured"
_OURS: Final = "ours"
_THEIRS: Final = "opentelemetry-instrumentation-celery"
_BOTH: Final = "both"
_CELERY: Final[Mapping[str, str]] = {_PLAIN: "", _THEIRS: "theirs", _OURS: "ours", _BOTH: "ours theirs"}
_RQ: Final[Mapping[str, str]] = {
    _PLAIN: "",
    _OURS: "from otel_job_measure.integrations import rq as adapter; adapter.install(); ",
}
_CLI: Final = "from rq.cli import main; main()"
_ROUNDS: Final = 15
_TASKS: Final = 200
_JOBS: Final = 5
_SEED: Final = 4
_LONG_S: Final = 60.0
_LOOK_S: Final = 0.001
_CELERY_NS: Final = 1_000_000
_RQ_NS: Final = 30_000_000
_client: Any = redis.Redis  # it and RQ are partly untyped
_queue: Any = rq.Queue
Turn = Callable[[str], float]


def measure(bench: Bench) -> Part:
    """Has workers perform tasks that do nothing, by turns.

    Args:
        bench: The folders, and the stub that the points go to.
    """
    broker = Redis(bench.new_folder())
    broker.start()
    try:
        with _workers(bench, broker.url, _rq_command, _RQ):
            horses = _by_turns(_RQ, _jobs_of(broker.url))
        with _workers(bench, broker.url, _celery_command, _CELERY):
            children = _by_turns(_CELERY, _tasks_of(broker.url))
    finally:
        broker.stop()
    return Part(
        tables=(
            Table(
                name="schedulers",
                title="A task that does nothing, from one to the next in the same worker",
                columns=(
                    Column(title="", unit="text"),
                    Column(title="median", unit="ms"),
                    Column(title="more", unit="ms"),
                    Column(title="ratio", unit="times"),
                ),
                rows=(
                    *(_row("RQ, a horse a job", kind, horses) for kind in horses),
                    *(_row("Celery prefork", kind, children) for kind in children),
                ),
                note=(
                    f"The median of {_ROUNDS} rounds, each of {_JOBS} jobs or {_TASKS} tasks in a row; differences and "
                    "ratios are those within a round."
                ),
            ),
        ),
        verdicts=(
            at_most("a job in an RQ horse, more than one that is not measured", _more(horses, _OURS), _RQ_NS, "ms"),
            at_most(
                "a task in Celery prefork, more than one that is not measured",
                _more(children, _OURS),
                _CELERY_NS,
                "ms",
            ),
            at_most(
                "a task in Celery prefork, more than with opentelemetry-instrumentation-celery",
                _more(children, _OURS, than=_THEIRS),
                _CELERY_NS,
                "ms",
            ),
        ),
    )


def _by_turns(kinds: Mapping[str, str], turn: Turn) -> dict[str, list[float]]:
    """Returns how long a task took in each round, in ns, by the kind of worker."""
    took_ns: dict[str, list[float]] = {kind: [] for kind in kinds}
    chance = random.Random(_SEED)  # noqa: S311 - the order of turns is no secret
    for warm_up in (True, *[False] * _ROUNDS):
        for kind in chance.sample(list(kinds), len(kinds)):
            found_ns = turn(kind)
            if not warm_up:
                took_ns[kind].append(found_ns)
    return took_ns


def _more(took_ns: Mapping[str, Sequence[float]], kind: str, *, than: str = _PLAIN) -> float:
    return statistics.median(mine - other for mine, other in zip(took_ns[kind], took_ns[than], strict=True))


def _row(scheduler: str, kind: str, took_ns: Mapping[str, Sequence[float]]) -> tuple[str | float | None, ...]:
    ratio = statistics.median(mine / plain for mine, plain in zip(took_ns[kind], took_ns[_PLAIN], strict=True))
    is_plain = kind == _PLAIN
    more = (None, None) if is_plain else (_more(took_ns, kind), ratio)
    return (f"{scheduler}, {kind}", statistics.median(took_ns[kind]), *more)


def _jobs_of(url: str) -> Turn:
    client = _client.from_url(url)
    queues = {kind: _queue(kind, connection=client) for kind in _RQ}

    def turn(kind: str) -> float:
        began_ns = time.perf_counter_ns()
        jobs = queues[kind].enqueue_many([_queue.prepare_data("os.getpid") for _ in range(_JOBS)])
        ends_s = time.monotonic() + _LONG_S
        while not jobs[-1].is_finished:
            if time.monotonic() > ends_s:
                raise RuntimeError(f"no job of RQ in {_LONG_S:g} s")
            time.sleep(_LOOK_S)
        return (time.perf_counter_ns() - began_ns) / _JOBS

    return turn


def _tasks_of(url: str) -> Turn:
    client, app = _client.from_url(url), app_of(url)

    def turn(kind: str) -> float:
        queue = _CELERY[kind]
        app.tasks["gate"].apply_async(queue=queue or "plain")
        results = [app.tasks["nothing"].apply_async(queue=queue or "plain") for _ in range(_TASKS)]
        began_ns = time.perf_counter_ns()
        client.lpush(GATE, "open")
        results[-1].get(timeout=_LONG_S)
        return (time.perf_counter_ns() - began_ns) / _TASKS

    return turn


def _rq_command(kind: str, url: str) -> list[str]:
    return [sys.executable, "-c", _RQ[kind] + _CLI, "worker", kind, "--url", url, "--quiet"]


def _celery_command(kind: str, url: str) -> list[str]:
    del url
    queue = _CELERY[kind] or "plain"
    words = ("worker", "-c", "1", "-Q", queue, "-n", queue.replace(" ", "-") + "@localhost", "-l", "ERROR")
    return [sys.executable, "-m", "celery", "-A", "benchmarks.celery_app", *words]


@contextmanager
def _workers(
    bench: Bench, url: str, command: Callable[[str, str], list[str]], kinds: Mapping[str, str]
) -> Generator[None]:
    with ExitStack() as stack:
        for kind, instrumented in kinds.items():
            where = bench.to(bench.at_once)
            variables = environment(where.folder) | ship_variables(where)
            worker = subprocess.Popen(
                command(kind, url),
                cwd=ROOT,
                env=variables | {"BROKER": url, INSTRUMENTED: instrumented},
                stdout=subprocess.DEVNULL,
            )
            stack.callback(worker.wait, _LONG_S)
            stack.callback(worker.terminate)
        yield
