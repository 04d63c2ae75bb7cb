"""Real workers of RQ on a real Redis."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis as Client
from rq import Queue, Retry
from rq import command as commands
from rq.job import Job

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.integrations import rq as adapter
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from otel_job_measure.testing.conformance import BEHAVIOURS, Behaviour, Recorded, check
from otel_job_measure.testing.tasks import names_span
from tests.delivery.support import Reply, TinyServer
from tests.integrations import rq_tasks
from tests.integrations.rq_driver import DRIVERS, SLOW, Driver
from tests.support.brokers import Redis
from tests.support.influx import InfluxServer
from tests.support.processes import ROOT, until

RQ: Final = tuple(int(part) for part in version("rq").split(".")[:2])
_client: Any = Client  # RQ and its client are partly untyped
_commands: Any = commands
WORKER: Final = """
import sys
from otel_job_measure.integrations import rq as adapter
adapter.install()
from rq.cli import main
sys.argv = ["rq", *sys.argv[1:]]
main()
"""


class Place:
    """A Redis, a queue in it, and a state directory."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self.redis = redis
        self.folder = folder
        self.client: Any = _client.from_url(redis.url)
        self.client.flushdb()
        self.queue: Any = Queue(connection=self.client)  # its methods are partly untyped
        self.workers: list[subprocess.Popen[bytes]] = []

    def worker(self, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", WORKER, "worker", "--url", self.redis.url, *words]
        environment = {**os.environ, "OTEL_JOB_MEASURE_STATE_DIR": str(self.folder), **variables}
        self.workers.append(subprocess.Popen(command, cwd=ROOT, env=environment))
        return self.workers[-1]

    def work(self, *words: str, **variables: str) -> list[RunRecord]:
        """Works until the queue is empty, and returns the runs in their order."""
        assert self.worker("--burst", *words, **variables).wait(100) == 0
        return self.runs()

    def runs(self) -> list[RunRecord]:
        history, _ = up_to_date(Settings(state_dir=self.folder))
        return history.latest(limit=100)[::-1]


def _told(runs: list[RunRecord]) -> list[tuple[Any, ...]]:
    return [(run.job.rpartition(".")[2], run.status, run.reason, run.error_type, run.attempt) for run in runs]


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Iterator[Place]:
    """What enqueues is measured too."""
    adapter.install()
    place = Place(redis, tmp_path / "rq")
    yield place
    for worker in place.workers:
        worker.kill()
        worker.wait()
    adapter.uninstall()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("driver", DRIVERS, ids=[driver.name for driver in DRIVERS])
def test_it_conforms(driver: Driver, place: Place, tmp_path: Path) -> None:
    """Each behaviour is recorded rightly by a worker with and without horses, and nothing more comes later."""
    conforms(driver, place, tmp_path, [each for each in BEHAVIOURS if each.name not in {*driver.cannot, *SLOW}])


@pytest.mark.long
def test_a_job_that_ignores_its_time_limit(place: Place, tmp_path: Path) -> None:
    """The worker kills it a minute later."""
    conforms(DRIVERS[0], place, tmp_path, [each for each in BEHAVIOURS if each.name in SLOW])


def conforms(driver: Driver, place: Place, folder: Path, behaviours: list[Behaviour]) -> None:
    """Checks some behaviours with the workers of one driver."""
    driver.at(place.redis.url)
    try:
        problems = {behaviour.name: check(driver, behaviour, folder) for behaviour in behaviours}
    finally:
        driver.stop()
    assert {name: found for name, found in problems.items() if found} == {}
    count = sum(len(behaviour.endings) + len(behaviour.others) for behaviour in behaviours)
    assert len(Recorded.in_(folder / "state").runs) == count


def test_an_attempt_that_is_tried_again_is_no_failure_of_the_job(place: Place) -> None:
    """Each attempt has its number; one that will be retried has the reason `retry`, and the last one has its own."""
    place.queue.enqueue(rq_tasks.fail_until, 3, retry=Retry(max=5))
    place.queue.enqueue(rq_tasks.fail, retry=Retry(max=1))
    place.queue.enqueue(rq_tasks.die, retry=Retry(max=1))
    runs = place.work()
    by_job = {name: [told[2:] for told in _told(runs) if told[0] == name] for name in ("fail_until", "fail", "die")}
    assert by_job["fail_until"] == [("retry", "ValueError", 1), ("retry", "ValueError", 2), (None, None, 3)]
    assert by_job["fail"] == [("retry", "ValueError", 1), ("error", "ValueError", 2)]
    assert by_job["die"] == [("retry", "SIGKILL", 1), ("signal", "SIGKILL", 2)]
    assert len({run.task_id for run in runs}) == 3
    assert {run.trigger for run in runs if run.attempt == 1} == {"message"}
    assert {run.trigger for run in runs if run.attempt != 1} == {"retry"}


def test_what_jobs_seldom_do(place: Place) -> None:
    """Also a horse that vanishes without an error, or dies by a nameless signal; and methods and callable objects."""
    tasks = rq_tasks
    calls: list[Any] = [tasks.vanish_well, tasks.die_by_a_nameless_signal, tasks.succeed_later]
    for call in (*calls, tasks.Reports().weekly, tasks.Reports()):
        place.queue.enqueue(call)
    place.queue.enqueue(tasks.succeed, result_ttl=0, meta={"otel_job_measure": "another's"})
    runs = place.work()
    assert [(run.job.removeprefix(tasks.__name__), run.reason or run.status, run.error_type) for run in runs] == [
        (".vanish_well", "exit", "exit 0"),
        (".die_by_a_nameless_signal", "signal", "SIGRTMIN+1"),
        (".succeed_later", "end", None),
        (".Reports.weekly", "end", None),
        (".Reports.__call__", "end", None),
        (".succeed", "end", None),
    ]


@pytest.mark.skipif(RQ < (2, 3), reason="RQ takes none yet")
def test_a_returned_retry_is_an_attempt_too(place: Place) -> None:
    """A job may ask to be tried again without raising; after the last time that is a failure."""
    place.queue.enqueue(rq_tasks.ask_again, 2)
    place.queue.enqueue(rq_tasks.always_ask_again)
    by_job: dict[str, list[tuple[Any, ...]]] = {}
    for told in _told(place.work()):
        by_job.setdefault(told[0], []).append(told[1:])
    assert by_job["ask_again"] == [("failed", "retry", "Retry", 1), ("end", None, None, 2)]
    assert by_job["always_ask_again"] == [("failed", "retry", "Retry", 1), ("failed", "error", "Retry", 2)]


def test_the_lag_counts_from_the_scheduled_time(place: Place) -> None:
    """A job that was put into the schedule knows how late it is, and how long it waited in its queue."""
    due = datetime.now(UTC) - timedelta(seconds=50)
    place.queue.enqueue_at(due, rq_tasks.succeed)
    (run,) = place.work("--with-scheduler")
    assert run.trigger == "schedule"
    assert run.lag_s is not None
    assert run.queued_s is not None
    assert 50 <= run.lag_s < 200
    assert 0 <= run.queued_s < 100


@pytest.mark.parametrize(
    "worker",
    [
        "rq.worker.SimpleWorker",
        pytest.param("rq.worker.SpawnWorker", marks=pytest.mark.skipif(RQ < (2, 2), reason="RQ has none yet")),
    ],
)
def test_other_workers(place: Place, worker: str) -> None:
    """A worker that runs jobs itself measures them; a spawned horse does so under zero-code instrumentation only."""
    place.queue.enqueue(rq_tasks.succeed)
    place.queue.enqueue(rq_tasks.fail)
    runs = place.work("--worker-class", worker)
    expected = [("succeed", "end", None), ("fail", "failed", "error")] if "Simple" in worker else []
    assert [told[:3] for told in _told(runs)] == expected


OTHERS: Final = {
    "a function": """
from functools import wraps
from rq.worker import Worker
original = Worker.perform_job
@wraps(original)
def perform_job(worker, *args, **more):
    return original(worker, *args, **more)
Worker.perform_job = perform_job
""",
    "wrapt": """
import wrapt
def perform_job(wrapped, worker, args, more):
    assert type(worker).__name__ == "Worker"
    return wrapped(*args, **more)
wrapt.wrap_function_wrapper("rq.worker", "Worker.perform_job", perform_job)
""",
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_librarys_wrapper_that_was_there_first(place: Place, other: str) -> None:
    """The run of a horse that is killed ends as it does without the other library, and the wrapper gets its worker."""
    place.queue.enqueue(rq_tasks.die)
    place.queue.enqueue(rq_tasks.succeed)
    command = [sys.executable, "-c", other + WORKER, "worker", "--url", place.redis.url, "--burst"]
    environment = {**os.environ, "OTEL_JOB_MEASURE_STATE_DIR": str(place.folder)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=100)
    endings = [("die", "failed", "signal"), ("succeed", "end", None)]
    assert [told[:3] for told in _told(place.runs())] == endings


THEIRS: Final = """
import sys, types, wrapt
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
trace.set_tracer_provider(TracerProvider(sampler={sampler}, shutdown_on_exit=False))
def perform_job(wrapped, worker, args, more):
    with trace.get_tracer("opentelemetry_instrumentation_rq.instrumentor").start_as_current_span("consume"):
        return wrapped(*args, **more)
wrapt.wrap_function_wrapper("rq.worker", "Worker.perform_job", perform_job)
instrumentor = types.SimpleNamespace(is_instrumented_by_opentelemetry=True)
sys.modules["opentelemetry_instrumentation_rq"] = types.SimpleNamespace(RQInstrumentor=lambda: instrumentor)
"""


@pytest.mark.parametrize("sampler", ["ALWAYS_ON", "ALWAYS_OFF"])
def test_the_span_of_another_instrumentation(place: Place, sampler: str) -> None:
    """The run has the ids of the span that a stand-in of opentelemetry-instrumentation-rq opened, sampled or not."""
    job = place.queue.enqueue(names_span)
    command = [sys.executable, "-c", THEIRS.format(sampler=sampler) + WORKER, "worker", "--burst"]
    environment = {**os.environ, "OTEL_JOB_MEASURE_STATE_DIR": str(place.folder)}
    subprocess.run([*command, "--url", place.redis.url], cwd=ROOT, env=environment, check=True, timeout=100)
    (run,) = place.runs()
    assert f"{run.trace_id} {run.span_id}" == job.return_value()


def test_install_twice_and_uninstall() -> None:
    """Nothing is wrapped twice, and RQ's own methods come back."""
    original = Job.perform
    adapter.install()
    once = Job.perform
    adapter.install()
    assert Job.perform is once is not original
    adapter.uninstall()
    adapter.uninstall()
    assert Job.perform is original


CRON: Final = """
from datetime import datetime, timedelta, timezone
from redis import Redis
from rq.cron import CronScheduler
from otel_job_measure.integrations import rq as adapter
from tests.delivery.support import Reply, TinyServer
from tests.integrations import rq_tasks
import sys
adapter.install()
scheduler = CronScheduler(Redis.from_url(sys.argv[1]))
job = scheduler.register(rq_tasks.succeed, "default", cron="* * * * *")
job.next_enqueue_time = datetime.now(timezone.utc) - timedelta(seconds=30)
scheduler.enqueue_jobs()
"""


@pytest.mark.skipif(RQ < (2, 5), reason="RQ has no cron yet")
def test_a_job_of_the_cron_knows_its_due_time(place: Place) -> None:
    """RQ's cron process says when the job was due, and the worker measures how late it is."""
    subprocess.run([sys.executable, "-c", CRON, place.redis.url], cwd=ROOT, check=True, timeout=100)
    (run,) = place.work()
    assert run.trigger == "schedule"
    assert run.lag_s is not None
    assert 30 <= run.lag_s < 200


PRODUCER: Final = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from redis import Redis
from rq import Queue
from otel_job_measure.integrations import rq as adapter
from tests.delivery.support import Reply, TinyServer
from tests.integrations import rq_tasks
adapter.install()
trace.set_tracer_provider(TracerProvider())
with trace.get_tracer("app").start_as_current_span("request") as span:
    job = Queue(connection=Redis.from_url(sys.argv[1])).enqueue(rq_tasks.succeed)
    print(format(span.get_span_context().trace_id, "032x"), job.meta["otel_job_measure"]["traceparent"])
"""


def test_the_producers_span_travels_with_the_job(place: Place) -> None:
    """The job's message names the span that enqueued it; the run's span links to it."""
    command = [sys.executable, "-c", PRODUCER, place.redis.url]
    said = subprocess.run(command, cwd=ROOT, check=True, timeout=100, capture_output=True, text=True).stdout.split()
    assert said[0] in said[1]
    assert [told[:2] for told in _told(place.work())] == [("succeed", "end")]


def test_the_worker_sends_what_its_horses_leave(place: Place, influx: InfluxServer, bucket: str) -> None:
    """The end of each of twenty jobs is in InfluxDB before the next job is enqueued, while the worker lives on."""
    variables = {
        "INFLUXDB_URL": influx.url,
        "INFLUXDB_TOKEN": influx.token,
        "INFLUXDB_ORG": influx.org,
        "INFLUXDB_BUCKET": bucket,
    }
    worker = place.worker(**variables)
    for number in range(20):
        place.queue.enqueue(rq_tasks.succeed)
        until(lambda: _ends(influx, bucket) > number, f"the end of job {number}")  # noqa: B023 - called at once
    assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert [run.status for run in place.runs()] == ["end"] * 20


def test_an_idle_worker_sends_what_another_one_left(place: Place) -> None:
    """A job comes only when everything of the former worker is with the server."""
    server = TinyServer()
    server.always = Reply(status=503)
    names = {"URL": server.url, "TOKEN": "t", "ORG": "o", "BUCKET": "b"}
    variables = {f"INFLUXDB_{name}": value for name, value in names.items()}
    place.queue.enqueue(rq_tasks.succeed)
    place.work(OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT="0.1", **variables)
    server.requests.clear()
    server.always = Reply()
    place.worker(**variables)
    until(lambda: any(b'"end"' in line for request in tuple(server.requests) for line in request.lines), "the end")
    server.close()


def _ends(influx: InfluxServer, bucket: str) -> int:
    return sum(row.fields.get("status") == "end" for row in influx.lines(bucket))
