"""Celery, from version 5.3: every attempt of every task in every pool, its true ending, and beat's due times.

Celery's signals tell of the start and the end of an attempt. In a prefork pool, the main process alone knows why it
terminated a child (a hard time limit, a revoke, a shutdown) or that the child was killed. So a child leaves such a run
open, and the main process ends it. What the producer knows (when the task was queued, beat's due time) travels in the
message's headers.
"""

import time
from importlib import import_module
from typing import Any, Final, cast

from opentelemetry import propagate

from otel_job_measure.integrations.celery_beat import Beat, sent_for
from otel_job_measure.integrations.celery_main import HEADER, MainProcess
from otel_job_measure.integrations.celery_task import TaskProcess
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.integrations.patches import Patches
from otel_job_measure.integrations.surroundings import required
from otel_job_measure.runtime.measure import JobMeasure

_patches: Final = Patches()
_installed: "list[_Hooks]" = []


def install(app: object = None, measure: JobMeasure | None = None) -> None:
    """Measures the tasks of this process's Celery apps, and what its beat sends; a second call does nothing.

    Args:
        app: An app, whose tasks alone are measured; None means every app of the process.
        measure: Measures tasks that are not decorated; None means the ready-made one of the environment.

    Raises:
        MissingDependencyError: Celery is not installed, or too old.
    """
    required("celery", "Celery", "5.3")
    if not _installed:
        hooks = _Hooks(app, measure)
        _installed.append(hooks)
        hooks.connect()


def uninstall() -> None:
    """Measures the tasks of Celery no more."""
    while _installed:
        _installed.pop().disconnect()


class _Hooks:
    """What Celery calls."""

    def __init__(self, app: object, measure: JobMeasure | None) -> None:
        self._adapter = Adapter("Celery", measure)
        self._main = MainProcess(self._adapter)
        self._task = TaskProcess(app, self._adapter, self._main)
        self._beat = Beat(self._adapter)
        signals: Any = import_module("celery.signals")
        self._receivers: list[tuple[Any, Any]] = [
            (signals.before_task_publish, self._published),
            (signals.task_prerun, self._task.started),
            (signals.task_postrun, self._task.ended),
            (signals.task_revoked, self._main.revoked),
            (signals.task_retry, self._main.cancelled),
            (signals.worker_init, self._main.begins),
            (signals.worker_ready, self._main.lives),
            (signals.worker_process_shutdown, self._task.leaves),
            (signals.worker_shutdown, self._main.ends),
        ]

    def connect(self) -> None:
        for each, receiver in self._receivers:
            each.connect(receiver, weak=False)
        request: Any = import_module("celery.worker.request").Request
        scheduler: Any = import_module("celery.beat").Scheduler
        _patches.wrap(import_module("celery.app.task").Task, "retry", self._task.retries)
        _patches.wrap(request, "on_timeout", self._main.timed_out)
        _patches.wrap(request, "on_failure", self._main.failed)
        _patches.wrap(scheduler, "apply_async", self._beat.sends)
        _patches.wrap(scheduler, "tick", self._beat.ticks)

    def disconnect(self) -> None:
        for each, receiver in self._receivers:
            each.disconnect(receiver)
        _patches.restore()

    def _published(self, headers: Any = None, **_: object) -> None:
        with self._adapter.guard:
            if isinstance(headers, dict):
                said: dict[str, int] = {"queued": time.time_ns()}
                if (due := sent_for.get()) is not None:
                    said["due"] = due
                given = cast("dict[str, Any]", headers)
                given[HEADER] = said
                if "traceparent" not in given:  # another instrumentation's producer span stays the parent
                    propagate.inject(given)
