"""Sketches of three more adapters: they prove that the contract fits, and no more."""

import asyncio
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import pytest

from otel_job_measure import JobMeasure, Outcome
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.testing import RecordedRuns, recorded_runs

RETRY: Final = Outcome(reason="retry")


@pytest.fixture
def runs() -> Iterator[RecordedRuns]:
    """The runs of the test."""
    with recorded_runs() as runs:
        yield runs


def facts(runs: RecordedRuns) -> list[tuple[str, int | None, str]]:
    """Returns job, attempt and ending of each run."""
    return [(run.job, run.attempt, run.reason or run.status) for run in runs]


def huey_of(adapter: Adapter) -> Any:  # noqa: ANN401 - huey has no types
    """Returns a huey whose tasks are measured where it executes them: it raises what the task raised."""
    huey: Any = import_module("huey")
    executes = huey.MemoryHuey._execute

    class Measured(huey.MemoryHuey):  # type: ignore[misc]
        def _execute(self, task: Any, timestamp: Any) -> Any:  # noqa: ANN401 - as above
            execute, retries = task.execute, task.retries

            def judge(error: BaseException | None, result: object) -> Outcome | None:
                again = isinstance(error, huey.exceptions.RetryTask) or (error is not None and retries > 0)
                return RETRY if again else None

            task.execute = lambda: adapter.around(
                execute, task.name, judge=judge, task_id=task.id, attempt=task.default_retries - retries + 1
            )
            try:
                return executes(self, task, timestamp)
            finally:
                del task.execute

    return Measured("sketch", immediate=False, results=True)


def test_huey(runs: RecordedRuns) -> None:
    """`around` in the place where it executes a task."""
    huey = huey_of(Adapter("huey", JobMeasure()))

    @huey.task(retries=1)  # type: ignore[untyped-decorator]
    def flaky() -> int:
        ran.append(1)
        if len(ran) == 1:
            raise ValueError
        return 7

    ran: list[int] = []
    result = flaky()
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
    assert result() == 7
    assert facts(runs) == [("flaky", 1, "retry"), ("flaky", 2, "end")]
    assert runs[0].task_id == runs[1].task_id is not None


def dramatiq_of(adapter: Adapter) -> Any:  # noqa: ANN401 - a middleware
    """Returns a middleware of dramatiq that learns whether there is another attempt."""
    dramatiq: Any = import_module("dramatiq")

    class Measured(dramatiq.Middleware):  # type: ignore[misc]
        def before_process_message(self, _broker: object, message: Any) -> None:  # noqa: ANN401 - dramatiq's
            retries = message.options.get("retries", 0)
            adapter.start(
                message.message_id,
                message.actor_name,
                task_id=message.message_id,
                attempt=retries + 1,
                queued_ns=message.message_timestamp * 1_000_000,
                trigger="message",
            )

        def after_process_message(
            self,
            _broker: object,
            message: Any,  # noqa: ANN401 - dramatiq's
            *,
            result: object = None,
            exception: BaseException | None = None,
        ) -> None:
            # Retries has decided: it stands after us at the start, and so before us at the end.
            is_again = exception is not None and not message.failed
            adapter.finish(message.message_id, error=exception, outcome=RETRY if is_again else None)

    return Measured()


def test_dramatiq(runs: RecordedRuns) -> None:
    """`start` and `finish` by key, on the worker's thread."""
    dramatiq: Any = import_module("dramatiq")
    stub: Any = import_module("dramatiq.brokers.stub")
    broker = stub.StubBroker()
    broker.add_middleware(dramatiq_of(Adapter("dramatiq", JobMeasure())), before=dramatiq.middleware.Retries)
    ran: list[int] = []

    def flaky() -> None:
        ran.append(1)
        raise ValueError

    actor = dramatiq.actor(flaky, broker=broker, max_retries=1, min_backoff=1, max_backoff=1)
    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    actor.send()
    broker.join(actor.queue_name, fail_fast=False)
    worker.join()
    worker.stop()
    assert len(ran) == 2
    assert facts(runs) == [("flaky", 1, "retry"), ("flaky", 2, "error")]
    assert runs[0].queued_s is not None


def test_procrastinate(runs: RecordedRuns) -> None:
    """`around_async` as its worker's middleware; its retry strategy decides about the next attempt."""
    procrastinate: Any = import_module("procrastinate")
    adapter = Adapter("procrastinate", JobMeasure())
    app = procrastinate.App(connector=import_module("procrastinate.testing").InMemoryConnector())
    ran: list[int] = []

    async def measured(call: Any, context: Any, _worker: object) -> Any:  # noqa: ANN401 - procrastinate has its own types
        job = context.job

        def judge(error: BaseException | None, _result: object) -> Outcome | None:
            again = error is not None and context.task.get_retry_exception(error, job) is not None
            return RETRY if again else None

        options: Any = {"judge": judge, "task_id": str(job.id), "attempt": job.attempts + 1}
        return await adapter.around_async(call, job.task_name, **options)

    @app.task(name="flaky", retry=procrastinate.RetryStrategy(max_attempts=1))  # type: ignore[untyped-decorator]
    async def flaky() -> None:
        ran.append(1)
        raise ValueError

    async def work() -> None:
        async with app.open_async():
            await flaky.defer_async()
            for _ in range(2):
                await app.run_worker_async(wait=False, worker_middleware=[measured], install_signal_handlers=False)

    asyncio.run(work())
    assert facts(runs) == [("flaky", 1, "retry"), ("flaky", 2, "error")]
    assert runs[0].task_id == runs[1].task_id is not None
