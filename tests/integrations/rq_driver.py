"""RQ in the conformance suite: one worker performs many behaviours."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from redis import Redis
from rq import Queue, Retry, Worker
from rq import command as commands

from otel_job_measure.integrations import rq as adapter
from otel_job_measure.testing.conformance import Behaviour, Place, Recorded
from tests.integrations import rq_app
from tests.support.processes import ROOT
from tests.support.processes import until as until_within

_WAIT_S: Final = 180
"""Much more than any of it takes, also on a machine with much else to do."""
until: Final = partial(until_within, within_s=_WAIT_S)
_NONE: Final = "RQ has no such thing"
_WITHIN: Final = "the job runs in the worker's process: its run becomes `lost`"
_NEVER: Final = dict.fromkeys(("rejected", "ignored", "misfire", "max instances", "coalesced"), _NONE) | {
    "revoked during": "RQ stops a job: see aborted",
    "expired": "the job is gone from Redis, with its name",
    **dict.fromkeys(("foreign span", "foreign, unsampled"), "OpenTelemetry itself has no instrumentation of RQ"),
}
_OVER: Final = {"finished", "failed", "stopped", "canceled"}
SLOW: Final = {"hard time limit"}
"""RQ gives a job a minute more."""
_client: Any = Redis  # RQ and its client are partly untyped
_commands: Any = commands
_workers: Any = Worker


class Driver:
    """RQ with one kind of worker."""

    job = f"{rq_app.__name__}.conformance"
    cannot: Mapping[str, str]

    def __init__(self, name: str, **cannot: str) -> None:
        self.name = name
        self.cannot = {**_NEVER, **cannot}
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def at(self, url: str) -> None:
        """Says which Redis to use."""
        self.url = url
        self.client = _client.from_url(url)

    def perform(self, behaviour: Behaviour, place: Place) -> object:
        """Has a worker run the job."""
        worker = self.worker(behaviour.tracing, place)
        before = Recorded.in_(place.state_dir)
        jobs = self._enqueued(behaviour, place, worker)
        until(lambda: all(job.get_status() in _OVER for job in jobs) or worker.poll() is not None, behaviour.name)

        def is_over() -> bool:
            found = Recorded.in_(place.state_dir).since(before)
            has_all = len(found.runs) >= len(behaviour.endings) + len(behaviour.others)
            return has_all and len(found.skipped) >= len(behaviour.skipped) and all(run.ended_ns for run in found.runs)

        until(is_over, f"{behaviour.name}: the endings")
        return jobs[-1].return_value()

    def worker(self, tracing: str, place: Place, *words: str) -> "subprocess.Popen[bytes]":
        """Returns a running worker."""
        found = self._workers.get(tracing)
        if found is None or found.poll() is not None:
            kind = ["--worker-class", f"rq.worker.{self.name.removeprefix('RQ ')}", "--job-monitoring-interval", "1"]
            command = [sys.executable, "-m", rq_app.__name__, "worker", tracing, "--url", self.url, *kind, *words]
            variables = {**os.environ, **place.variables(), "CONFORMANCE": tracing}
            found = self._workers[tracing] = subprocess.Popen(command, cwd=ROOT, env=variables)
        return found

    def stop(self) -> None:
        """Ends all workers."""
        for worker in self._workers.values():
            worker.send_signal(signal.SIGTERM)
        for worker in self._workers.values():
            try:
                worker.wait(10)
            except subprocess.TimeoutExpired:  # the signal came right before it waited for a job
                worker.kill()
                worker.wait()

    def _enqueued(self, behaviour: Behaviour, place: Place, worker: "subprocess.Popen[bytes]") -> list[Any]:
        queue: Any = Queue(behaviour.tracing, connection=self.client)
        flag = place.state_dir.parent / "go"
        words = behaviour.name, place.job, str(flag)
        options: dict[str, object] = {}
        count = {"chain": 1, "group": 2, "chord": 2}.get(behaviour.name, 1)
        match behaviour.name:
            case "decorated":
                return [queue.enqueue(rq_app.decorated)]
            case "revoked before":
                return [self._cancelled(queue.enqueue_in(timedelta(hours=1), rq_app.conformance, *words), place)]
            case "soft time limit" | "hard time limit":
                options = {"job_timeout": 5}  # a horse has to import the job's module first
            case "retries, succeeds" | "retries, fails":
                options = {"retry": Retry(max=1)}
            case _:
                pass
        jobs = [queue.enqueue(rq_app.conformance, *words, **options) for _ in range(count)]
        if behaviour.name in {"chain", "chord"}:
            jobs.append(queue.enqueue(rq_app.conformance, *words, depends_on=list(jobs)))
        if behaviour.name in {"aborted", "warm shutdown", "cold shutdown"}:
            until(lambda: any(run.ended_ns is None for run in Recorded.in_(place.state_dir).runs), "the job")
            self._stop(behaviour.name, jobs[0], worker)
            if behaviour.name != "aborted":
                flag.touch()
                worker.wait(_WAIT_S)
        return jobs

    def _cancelled(self, job: Any, place: Place) -> Any:  # noqa: ANN401 - RQ's
        adapter.uninstall()
        measure = place.measure()
        adapter.install(measure=measure)
        job.cancel()
        measure.close()
        adapter.uninstall()
        adapter.install()
        return job

    def _stop(self, how: str, job: Any, worker: "subprocess.Popen[bytes]") -> None:  # noqa: ANN401 - RQ's
        if how == "aborted":
            _commands.send_stop_job_command(self.client, job.id)
            return
        worker.send_signal(signal.SIGTERM)
        if how == "cold shutdown":
            # RQ ignores a second signal within a second after it has seen the first one.
            until(lambda: self._has_seen_signal(worker.pid), "the worker's answer to the first signal")
            asked = datetime.now(UTC)
            until(lambda: datetime.now(UTC) - asked > timedelta(seconds=1.5), "a second")
            worker.send_signal(signal.SIGTERM)

    def _has_seen_signal(self, pid: int) -> bool:
        workers = _workers.all(connection=self.client)
        return any(each.pid == pid and each.shutdown_requested_date for each in workers)


DRIVERS: Final = (
    Driver("RQ Worker"),
    Driver(
        "RQ SimpleWorker",
        **dict.fromkeys(("os._exit", "SIGKILL"), _WITHIN),
        **{"hard time limit": "it has no other process", "aborted": "it stops no job"},
    ),
)
