"""Real workers of Celery, with Redis and RabbitMQ."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.integrations import celery as adapter
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from tests.integrations import celery_app
from tests.support.brokers import RabbitMQ, Redis
from tests.support.processes import ROOT, until

app: Any = celery_app.app


class Place:
    """A broker, and a state directory for workers."""

    def __init__(self, broker: str, results: str, folder: Path) -> None:
        self.broker = broker
        self.results = results
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        with self.connection() as connection:
            app.control.purge(connection=connection)

    def connection(self) -> Any:  # noqa: ANN401 - Celery has no types
        """Returns a connection to this broker: the app's own pool keeps those to the first one."""
        return app.connection_for_write(self.broker)

    def send(self, task: Any, *args: object) -> str:  # noqa: ANN401 - the same
        with self.connection() as connection:
            return str(task.apply_async(args, connection=connection).id)

    def start(self, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "celery", "-A", "tests.integrations.celery_app", *words]
        environment = {
            **os.environ,
            "OTEL_JOB_MEASURE_STATE_DIR": str(self.folder),
            "BROKER": self.broker,
            "RESULTS": self.results,
            **variables,
        }
        self.processes.append(subprocess.Popen(command, cwd=ROOT, env=environment))
        return self.processes[-1]

    def worker(self, *words: str, pool: str = "prefork", **variables: str) -> "subprocess.Popen[bytes]":
        return self.start("worker", "-P", pool, "-c", "2", "--without-gossip", "--without-mingle", *words, **variables)

    def runs(self) -> list[RunRecord]:
        history, _ = up_to_date(Settings(state_dir=self.folder))
        return history.latest(limit=100)[::-1]

    def ended(self, count: int) -> list[tuple[Any, ...]]:
        """Waits for so many endings and returns what is told of them, sorted."""

        def all_ended() -> list[RunRecord]:
            runs = self.runs()
            return runs if len(runs) >= count and all(run.ended_ns for run in runs) else []

        return sorted(_told(until(all_ended, f"{count} endings")), key=str)

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(60)


def _told(runs: list[RunRecord]) -> list[tuple[Any, ...]]:
    return [(run.job.removeprefix("tests."), run.status, run.reason, run.error_type, run.attempt) for run in runs]


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Iterator[Place]:
    """Celery with Redis; the producer is measured too."""
    found = Place(redis.url.replace("/0", "/1"), redis.url.replace("/0", "/2"), tmp_path / "celery")
    adapter.install()
    yield found
    adapter.uninstall()
    for process in found.processes:
        process.kill()
        process.wait()


ENDINGS = [
    ("fail", "failed", "error", "ValueError", 1),
    ("ignore", "failed", "skipped", "celery.exceptions.Ignore", 1),
    ("outer", "end", None, None, 1),
    ("reject", "failed", "rejected", "celery.exceptions.Reject", 1),
    ("retry", "end", None, None, 2),
    ("retry", "failed", "error", "ValueError", 3),
    ("retry", "failed", "retry", "ValueError", 1),
    ("retry", "failed", "retry", "ValueError", 1),
    ("retry", "failed", "retry", "ValueError", 2),
    ("succeed", "end", None, None, 1),
]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent"])
def test_each_ending_has_its_reason(place: Place, pool: str) -> None:
    """In every pool, each attempt is a run of its own, and one that is tried again is no failure of the job."""
    place.worker(pool=pool)
    for task in (celery_app.succeed, celery_app.fail, celery_app.reject, celery_app.ignore, celery_app.outer):
        place.send(task)
    place.send(celery_app.retry, 1)
    place.send(celery_app.retry, 9)
    assert place.ended(len(ENDINGS)) == ENDINGS
    assert {run.queued_s is not None for run in place.runs()} == {True}
    place.stop()


def test_a_child_that_is_killed_or_limited_has_its_true_ending(place: Place) -> None:
    """The main process knows why a child ended that wrote no ending."""
    place.worker()
    for task in (celery_app.soft, celery_app.hard, celery_app.leave, celery_app.vanish, celery_app.die):
        place.send(task)
    assert place.ended(5) == [
        ("die", "failed", "signal", "SIGKILL", 1),
        ("hard", "failed", "timeout", "celery.exceptions.TimeLimitExceeded", 1),
        ("leave", "failed", "exit", "SystemExit", 1),
        ("soft", "failed", "timeout", "billiard.exceptions.SoftTimeLimitExceeded", 1),
        ("vanish", "failed", "exit", "exit 3", 1),
    ]


def test_a_task_that_is_revoked_while_it_runs(place: Place, tmp_path: Path) -> None:
    """Its run has the reason `revoked`, once."""
    place.worker()
    task_id = place.send(celery_app.sleep, str(tmp_path / "pid"))
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the task")

    def revoked() -> bool:
        return place.start("control", "terminate", "TERM", task_id).wait(60) == 0

    until(revoked, "the worker's answer")
    assert place.ended(1) == [("sleep", "failed", "revoked", "SIGTERM", 1)]


def test_a_cold_shutdown_cancels_the_task(place: Place, tmp_path: Path) -> None:
    """The worker writes the ending of a child that it takes down."""
    worker = place.worker()
    place.send(celery_app.sleep, str(tmp_path / "pid"))
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the task")
    worker.send_signal(signal.SIGQUIT)
    worker.wait(60)
    assert [told[:3] for told in place.ended(1)] == [("sleep", "failed", "cancelled")]


def test_rabbitmq_is_the_same(rabbitmq: RabbitMQ, redis: Redis, tmp_path: Path) -> None:
    """Headers and endings do not depend on the broker."""
    found = Place(rabbitmq.url, redis.url.replace("/0", "/3"), tmp_path / "celery")
    adapter.install()
    try:
        found.worker()
        found.send(celery_app.succeed)
        found.send(celery_app.die)
        assert found.ended(2) == [("die", "failed", "signal", "SIGKILL", 1), ("succeed", "end", None, None, 1)]
    finally:
        adapter.uninstall()
        for process in found.processes:
            process.kill()
            process.wait()


def test_beat_knows_the_due_time(place: Place, tmp_path: Path) -> None:
    """What beat sends is due when its schedule says, and the run tells how late it began."""
    place.worker()
    place.start("beat", "-s", str(tmp_path / "beat"), "--max-interval", "1", BEAT="1")
    until(lambda: len(place.runs()) >= 3, "three runs")
    place.stop()
    runs = [run for run in place.runs() if run.lag_s is not None]
    assert len(runs) >= 2
    assert {run.trigger for run in runs} == {"schedule"}
    assert all(0 <= (run.lag_s or 0.0) < 60 for run in runs)


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
def test_beside_opentelemetrys_own_instrumentation(place: Place, order: str, sampler: str) -> None:
    """Its span is the run's, sampled or not; no second one is opened, and no run is missed."""
    place.worker(FOREIGN=order, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_EXPORTER="none")
    for _ in range(5):
        place.send(celery_app.succeed)
    assert place.ended(5) == [("succeed", "end", None, None, 1)] * 5
    assert all(run.trace_id for run in place.runs())
