"""RQ, from version 2.0: every attempt of every job, its true ending, and the due times of RQ's cron.

RQ has no hooks that tell an ending apart, so methods of its classes are replaced. A job runs in a child process (the
horse) that lives for this one job: it only appends, and the worker, which lives on, sends.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.integrations.patches import Patches
from otel_job_measure.integrations.rq_job import SHUT_DOWN, JobProcess, is_tried_again, key_of
from otel_job_measure.integrations.rq_producer import Producer
from otel_job_measure.integrations.surroundings import required
from otel_job_measure.points.outcome import Outcome, outcome_of_exit
from otel_job_measure.runtime.measure import JobMeasure

_patches: Final = Patches()


def install(app: object = None, measure: JobMeasure | None = None) -> None:
    """Measures the jobs of all RQ workers of this process; does nothing if it is installed already.

    Call it where a worker or a cron process starts, and in the process that enqueues, so that the lag behind the
    schedule, the attempt and the producer's span are known.

    Args:
        app: Nothing: RQ has no application object.
        measure: Measures jobs that are not decorated; None means the ready-made one of the environment.

    Raises:
        MissingDependencyError: RQ is not installed, or too old.
    """
    del app
    required("rq", "RQ", "2", "4")
    if not _patches:
        _Hooks(measure).put()


def uninstall() -> None:
    """Leaves RQ as it was."""
    _patches.restore()


class _Hooks:
    """What is put in the place of RQ's methods."""

    def __init__(self, measure: JobMeasure | None) -> None:
        self._adapter = Adapter("RQ", measure)
        self._job = JobProcess(self._adapter)
        self._producer = Producer(self._adapter)

    def put(self) -> None:
        from rq import job, queue, worker  # noqa: PLC0415 - an optional library

        base: Any = getattr(worker, "BaseWorker", worker.Worker)
        for owner in dict.fromkeys((base, worker.Worker)):  # in older versions they are one class
            for name, hook in {
                "work": self._work,
                "perform_job": self._job.perform_job,
                "monitor_work_horse": self._monitor,
                "handle_work_horse_killed": self._killed,
                "handle_job_failure": self._failed,
                "request_force_stop": self._job.force_stop,
            }.items():
                _patches.wrap(owner, name, hook)
        _patches.wrap(job.Job, "perform", self._job.perform)
        _patches.wrap(job.Job, "create", self._producer.create)
        _patches.wrap(job.Job, "cancel", self._producer.cancel)
        _patches.wrap(queue.Queue, "create_job", self._producer.create_job)
        _patches.wrap(queue.Queue, "schedule_job", self._producer.schedule_job)
        with suppress(ImportError):
            from rq import cron  # noqa: PLC0415 - since RQ 2.5

            _patches.wrap(cron.CronJob, "enqueue", self._producer.enqueue)
            _patches.wrap(cron.CronScheduler, "enqueue_jobs", self._producer.enqueue_jobs)

    def _work(self, original: Callable[..., Any], worker: Any, *args: Any, **more: Any) -> Any:
        self._adapter.prepare()
        self._adapter.collect()  # what a killed worker has left, also if no job comes for long
        return original(worker, *args, **more)

    def _monitor(self, original: Callable[..., Any], worker: Any, job: Any, *args: Any, **more: Any) -> Any:
        try:
            result = original(worker, job, *args, **more)
        except SystemExit:  # a cold shutdown has killed the horse
            self._adapter.witnessed(key_of(job), SHUT_DOWN)
            raise
        else:
            if _status(job) == "started":  # the horse called `os._exit(0)`, which RQ takes for its own end
                self._adapter.witnessed(key_of(job), outcome_of_exit(0))
            return result
        finally:
            self._adapter.collect()

    def _killed(self, original: Callable[..., Any], worker: Any, job: Any, pid: Any, status: Any, *args: Any) -> Any:
        with self._adapter.guard:
            if self._job.is_forced:  # another signal has interrupted the shutdown
                outcome = SHUT_DOWN
            elif status is None:  # the worker killed it, a minute after its time limit
                outcome = Outcome(reason=names.REASON_TIMEOUT, error_type="time limit")
            else:
                outcome = outcome_of_exit(os.waitstatus_to_exitcode(status))
            if is_tried_again(job):
                outcome = outcome._replace(reason=names.REASON_RETRY)
            self._adapter.witnessed(key_of(job), outcome)
        return original(worker, job, pid, status, *args)

    def _failed(self, original: Callable[..., Any], worker: Any, job: Any, *args: Any, **more: Any) -> Any:
        with self._adapter.guard:
            if not worker.is_horse and getattr(worker, "_stopped_job_id", None) == job.id:
                stopped = Outcome(reason=names.REASON_CANCELLED, error_type="stopped")
                self._adapter.witnessed(key_of(job), stopped)
        return original(worker, job, *args, **more)


def _status(job: Any) -> object:
    with suppress(Exception):  # the job is gone from Redis, or Redis is away
        return job.get_status()
    return None
