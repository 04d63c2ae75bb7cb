"""Celery in the conformance suite: one worker of each pool performs many behaviours."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any, Final

from otel_job_measure.testing.conformance import Behaviour, Place, Recorded
from tests.integrations import celery_suite
from tests.integrations.celery_accepted import accepted
from tests.support.processes import ROOT
from tests.support.processes import until as until_within

_WAIT_S: Final = 180
"""Much more than any of it takes, also on a machine with much else to do."""
until: Final = partial(until_within, within_s=_WAIT_S)
_NONE: Final = "Celery has no such thing"
_NO_ASYNC: Final = "its tasks are no coroutines"
_WITHIN: Final = "the task runs in the worker's process: its run becomes `lost`"
_NEVER: Final[Mapping[str, str]] = {
    **dict.fromkeys(("async", "async raises"), _NO_ASYNC),
    **dict.fromkeys(("misfire", "max instances", "coalesced", "aborted"), _NONE),
}
_INSIDE: Final[Mapping[str, str]] = {**_NEVER, **dict.fromkeys(("os._exit", "SIGKILL"), _WITHIN)}
_WITHOUT_RESULT: Final = {"rejected", "ignored", "cold shutdown"}


class Driver:
    """Celery with one kind of pool."""

    job = celery_suite.TASK
    cannot: Mapping[str, str]

    def __init__(self, name: str, pool: str, foreign: str, cannot: Mapping[str, str]) -> None:
        self.name = name
        self.pool = pool
        self.foreign = foreign
        self.cannot = cannot
        self._stuck: set[str] = set()
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def at(self, broker: str, results: str) -> None:
        """Says which brokers to use."""
        self.broker, self.results = broker, results
        self.app = celery_suite.app_of(broker, results)

    def perform(self, behaviour: Behaviour, place: Place) -> object:
        """Has a worker run the task."""
        order = self.foreign if behaviour.name.startswith("foreign") else ""
        kind = f"{behaviour.tracing}/{order}"
        queue = kind.replace("/", "-").replace(" ", "-")
        node = _node(queue)
        worker = self.worker(kind, place, "worker", "-P", self.pool, "-c", "1", "-Q", queue, "-n", node)
        before = Recorded.in_(place.state_dir)
        result = self._sent(behaviour, place, queue, worker)
        got = None
        if behaviour.name == "sys.exit":  # ends a solo worker; others keep it as active, in prefork Celery 5.3 does
            self._stuck.add(result.id)
        elif behaviour.name not in _WITHOUT_RESULT:
            got = result.get(timeout=_WAIT_S, propagate=False)

        def is_over() -> bool:
            found = Recorded.in_(place.state_dir).since(before)
            has_all = len(found.runs) >= len(behaviour.endings) + len(behaviour.others)
            return has_all and len(found.skipped) >= len(behaviour.skipped) and all(run.ended_ns for run in found.runs)

        until(is_over, f"{behaviour.name}: the endings")
        if behaviour.name == "sys.exit" and self.pool == "solo":
            worker.wait(_WAIT_S)
        if worker.poll() is None:
            until(lambda: self._is_idle(node), f"{behaviour.name}: an idle worker")
        return got if isinstance(got, str) else None

    def worker(self, kind: str, place: Place, *words: str) -> "subprocess.Popen[bytes]":
        """Returns a running worker, or another of Celery's processes."""
        found = self._workers.get(kind)
        if found is None or found.poll() is not None:
            command = [sys.executable, "-m", "celery", "-A", "tests.integrations.celery_suite", *words]
            own = {"CONFORMANCE": kind, "BROKER": self.broker, "RESULTS": self.results}
            found = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **place.variables(), **own})
            self._workers[kind] = found
        return found

    def stop(self) -> None:
        """Ends all processes."""
        for process in self._workers.values():
            process.send_signal(signal.SIGTERM)
        for process in self._workers.values():
            process.wait(_WAIT_S)
        gc.collect()  # a result that nothing refers to any more asks Redis to forget it, which is still there

    def _sent(self, behaviour: Behaviour, place: Place, queue: str, worker: "subprocess.Popen[bytes]") -> Any:  # noqa: ANN401 - Celery's result
        canvas: Any = import_module("celery")
        task = self.app.tasks[celery_suite.DECORATED_TASK if behaviour.name == "decorated" else celery_suite.TASK]
        flag = place.state_dir.parent / "go"
        words = () if behaviour.name == "decorated" else (behaviour.name, str(flag))
        one = task.si(*words).set(queue=queue)
        made = one
        options: dict[str, object] = {}
        match behaviour.name:
            case "soft time limit":
                options = {"soft_time_limit": 1}
            case "hard time limit":
                # In a prefork pool it passes once the run has begun; in gevent's, from the beginning of Celery's code.
                options = {"time_limit": 5 if self.pool == "gevent" else 1}
            case "expired":
                # It expires in the worker, which waits until it is due: RabbitMQ itself drops what expires in a queue.
                until(lambda: self.app.control.ping([_node(queue)], timeout=5), "the worker")
                expires_s = 10 if self is ON_RABBITMQ else 2
                options = {"expires": expires_s, "countdown": expires_s + 1}
            case "revoked before":
                control = self.app.control
                until(lambda: control.revoke("never", [_node(queue)], reply=True, timeout=5), "the worker")
                options = {"task_id": "never"}
            case "chain":
                made = one | one
            case "group":
                made = canvas.group([one, one], app=self.app)
            case "chord":
                made = canvas.chord([one, one], one, app=self.app)
            case _:
                pass
        result = made.apply_async(**options)
        if behaviour.name in {"revoked during", "warm shutdown", "cold shutdown"}:
            until(lambda: result.state == "STARTED", "the task")
            # A main process that does not know it yet would give the task back, and another worker would run it again.
            until(accepted(result.id, str(place.state_dir)).exists, "the main process")
            if behaviour.name == "revoked during":
                result.revoke(terminate=True)
                return result
            worker.send_signal(signal.SIGQUIT if behaviour.name == "cold shutdown" else signal.SIGTERM)
            flag.touch()
            worker.wait(_WAIT_S)
        return result

    def _is_idle(self, node: str) -> bool:
        active: dict[str, list[dict[str, str]]] | None = self.app.control.inspect([node], timeout=5).active()
        running = {task["id"] for found in (active or {}).values() for task in found}
        return active is not None and running <= self._stuck


def _node(queue: str) -> str:
    """Returns the name of a queue's worker: RabbitMQ refuses a second worker of the same name."""
    return f"{queue}@localhost"


_UNLIMITED_INSIDE: Final[Mapping[str, str]] = {
    **_INSIDE,
    **dict.fromkeys(("soft time limit", "hard time limit"), "this pool enforces no time limits"),
    "revoked during": "this pool stops no task",
}
ON_RABBITMQ: Final = Driver("Celery prefork, RabbitMQ", "prefork", "ours first", _NEVER)
DRIVERS: Final = (
    Driver("Celery prefork", "prefork", "theirs first", _NEVER),
    Driver(
        "Celery threads",
        "threads",
        "theirs first",
        {**_UNLIMITED_INSIDE, "cold shutdown": "the worker waits for the task"},
    ),
    Driver("Celery gevent", "gevent", "ours first", {**_INSIDE, "soft time limit": "this pool has hard limits alone"}),
    Driver(
        "Celery solo",
        "solo",
        "theirs first",
        {**_UNLIMITED_INSIDE, "cold shutdown": "Celery's own handler raises `NotImplementedError` into the task"},
    ),
    ON_RABBITMQ,
)
