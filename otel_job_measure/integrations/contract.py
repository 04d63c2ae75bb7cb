"""The contract between a scheduler and `JobMeasure`: what every adapter needs, decided once.

An adapter calls `around` where the scheduler calls a job, or `start` and `finish` where it only announces both, and
says which exceptions of the scheduler mean what. The contract measures each run once: inside a task, a decorator, a
middleware, another adapter or a span of the app that is about the same job joins the run of the task. A run of another
job in it is a run of its own. A decorated function keeps what its decorator says: its name, its `JobMeasure`, its
`expected` and `reasons`.

No method raises an `Exception` of its own into the scheduler.
"""

import os
import threading
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Any, Final, TypeVar, Unpack, cast

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, get_current_span

from otel_job_measure import names
from otel_job_measure.entrypoints.decorator import decorated
from otel_job_measure.entrypoints.keyed import KeyedRuns, RunOptions, open_run
from otel_job_measure.entrypoints.run_handle import RunHandle, handle_of
from otel_job_measure.expectations.expectation import DueList, JobId
from otel_job_measure.journal import watched
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.points.tags import resolve
from otel_job_measure.points.text import clean_tag
from otel_job_measure.runtime.default import ready_measure
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.spans.active_run import UNMEASURED, ActiveRun, Opener
from otel_job_measure.spans.claims import claimed
from otel_job_measure.spans.guard import Guards
from otel_job_measure.spans.naming import usable_name
from otel_job_measure.spans.reasons import NO_REASONS, Reasons
from otel_job_measure.spans.run import Run

_T = TypeVar("_T")

Judge = Callable[[BaseException | None, Any], Outcome | None]
"""Returns how a task ended by what it raised or returned; None leaves it to the rules for exceptions."""


class TaskOptions(RunOptions, total=False):
    """What an adapter says of a run, all optional."""

    function: object
    """The task's function: if it is a decorated one, what its decorator says counts."""
    judge: Judge
    watched: str
    """A key of this run alone, under which another process can say how it ended: see `witnessed`."""
    foreign: Span
    """A span that another instrumentation has opened for the task: none is opened then, and the run has its ids."""


class Adapter:
    """One scheduler's side of the contract.

    Args:
        scheduler: Its name, for log lines.
        measure: Measures the jobs that are not decorated; None means the ready-made one of the environment, which is
            made at the first run.
    """

    def __init__(self, scheduler: str, measure: JobMeasure | None = None) -> None:
        self.scheduler = scheduler
        self.guard: Final = Guards()(f"measuring the jobs of {scheduler}")
        """What an adapter does beside its calls of the contract belongs into a `with` of this guard."""
        self._given = measure
        self._locks: dict[int, threading.Lock] = {}
        """By process: in a child of fork another thread of the parent may hold the parent's."""
        self._keyed: KeyedRuns | None = None

    @property
    def measure(self) -> JobMeasure:
        """What measures the jobs that are not decorated."""
        with self._lock():  # two first tasks may come at once
            if self._given is None:
                self._given = ready_measure()
            return self._given

    def prepare(self) -> None:
        """Makes the `JobMeasure` before the first fork, so that no child has to import and open it."""
        with self.guard:
            _ = self.measure

    def around(self, call: Callable[[], _T], job: object, **options: Unpack[TaskOptions]) -> _T:
        """Runs a task inside its run.

        Args:
            call: Runs the task; its result or exception is passed on.
            job: The job's name.
            **options: What the scheduler knows about the run.

        Returns:
            What the task returned.
        """
        run = self._begin(job, options)
        try:
            run.wait_for_start()
            with run.current:
                result = call()
            run.finish(None, self._judged(options, None, result))
        except BaseException as error:
            run.finish(error, self._judged(options, error, None))
            raise
        return result

    async def around_async(self, call: Callable[[], Awaitable[_T]], job: object, **options: Unpack[TaskOptions]) -> _T:
        """Awaits a task inside its run, like `around`."""
        run = self._begin(job, options)
        try:
            await run.wait_for_start_async()
            with run.current:
                result = await call()
            run.finish(None, self._judged(options, None, result))
        except BaseException as error:
            run.finish(error, self._judged(options, error, None))
            raise
        return result

    def start(self, key: Hashable, job: object, **options: Unpack[TaskOptions]) -> RunHandle | None:
        """Starts the run of a task that `finish` ends; until then its span is current in this context.

        Args:
            key: Identifies the run until its end; if it is open, its run goes on.
            job: The job's name.
            **options: What the scheduler knows about the run, without `judge`.

        Returns:
            The run's handle; None if it could not be started.
        """
        with self.guard:
            keyed = self._runs()
            is_new = keyed.find(key) is None
            handle = keyed.start(self._name(job), key, options)
            run = keyed.find(key)
            if is_new and run is not None:
                run.claim((self._name(job),), self)
                run.wait_for_start()
                run.current.__enter__()
            return handle
        return None

    def finish(self, key: Hashable, *, error: BaseException | None = None, outcome: Outcome | None = None) -> bool:
        """Ends the run of a task; returns whether this call did.

        Args:
            key: The run's key in this process.
            error: What the task raised.
            outcome: How it ended, if the scheduler knows more than the exception; it takes precedence.

        Returns:
            False if no run is open under this key: the task began before the adapter was installed, say.
        """
        with self.guard:
            keyed = self._runs()
            return keyed.find(key) is not None and keyed.finish(key, error, outcome)
        return False

    def adopt(self, key: Hashable, span: Span) -> None:
        """Gives an open run the ids of a span that another instrumentation has opened for its task meanwhile."""
        with self.guard:
            run = self._runs().find(key)
            if run is not None:
                run.adopt(span)

    def job_name(self, job: object, function: object = None) -> str:
        """Returns what the runs of a job are called: a decorator's name takes precedence over the scheduler's."""
        return self._about(self.measure.opener, self._name(job), function)[1]

    def missed(self, job: object, due_ns: int, why: str, detail: str = "", *, function: object = None) -> None:
        """Records that the scheduler skipped a due time of a job.

        Args:
            job: The job's name.
            due_ns: The due time, in nanoseconds since 1970.
            why: One word or two, as `misfire`, `max_instances`, `coalesced`, `revoked`, `expired`.
            detail: More, for people.
            function: The task's function, as for `around`.
        """
        with self.guard:
            opener, name, _, _ = self._about(self.measure.opener, self._name(job), function)
            said = f"{why}: {detail}" if detail else why
            opener.recorder.event(name, names.EVENT_SKIPPED, due_ns, said, opener.providers.current()[1])

    def witnessed(self, key: str | RunHandle, outcome: Outcome) -> bool:
        """Ends the run of another process of this machine that cannot end it any more.

        Args:
            key: What the run was started with as `watched`, or its handle.
            outcome: How it ended.

        Returns:
            Whether this call ended a run: False if it never began, has ended already, or was recovered as lost.
        """
        with self.guard:
            if isinstance(key, str):
                settings = self.measure.settings
                found = None if settings.in_memory else watched.find(StateDir(settings.state_path), key)
                if found is None:
                    return False
                key = RunHandle.from_json(found)
            return self.measure.finish(key, outcome=outcome)
        return False

    def noted(self) -> dict[str, RunHandle | None]:
        """Returns the `watched` keys of the runs that processes of this machine have lately begun.

        Returns:
            For each key the handle of a run that has not ended, None if all have.
        """
        with self.guard:
            settings = self.measure.settings
            found = {} if settings.in_memory else watched.noted(StateDir(settings.state_path))
            return {key: None if handle is None else RunHandle.from_json(handle) for key, handle in found.items()}
        return {}

    def due_times(self, job: object, dues_ns: Sequence[int], until_ns: int, *, function: object = None) -> None:
        """Says when a job is due next, for the monitor; an adapter says it hourly and at each change.

        Args:
            job: The job's name.
            dues_ns: The due times from now on in ascending order, evaluated by the scheduler's own code; none for a
                job that is paused or removed.
            until_ns: Up to when they are complete: at most 8 days ahead, or the last of 500.
            function: The task's function, as for `around`.
        """
        with self.guard:
            opener, name, _, _ = self._about(self.measure.opener, self._name(job), function)
            recorder, settings = opener.recorder, self.measure.settings
            if settings.disabled:
                return
            tags = resolve(recorder.settings, opener.providers.current()[1])
            identity = JobId(clean_tag(name), clean_tag(tags.project or ""), clean_tag(tags.stage or ""))
            due_list = DueList(recorder.clock.wall_ns(), until_ns, tuple(dues_ns))
            self.measure.pipeline.say_due(self.scheduler, identity, due_list)

    def short_lived(self) -> None:
        """Says in a process that runs one task: it sends nothing itself, `leaving` hands its points over."""
        with self.guard:
            self.measure.pipeline.append_only()

    def leaving(self) -> None:
        """Says in a process that is about to call `os._exit`: its points are left where `collect` sends them."""
        with self.guard:
            self.measure.pipeline.leave()

    def collect(self) -> None:
        """Says in a process that lives on: short-lived processes have left points, which are sent now."""
        with self.guard:
            self.measure.pipeline.collect()

    # The run of a task

    def _begin(self, job: object, options: TaskOptions) -> ActiveRun:
        with self.guard:
            name = self._name(job)
            run = self._open(self.measure.opener, name, options)
            run.begin()
            run.claim((name,), self)
            return run
        return UNMEASURED

    def _name(self, job: object) -> str:
        return usable_name(job, f"the name of a job of {self.scheduler}")

    def _open(self, opener: Opener, name: str, options: RunOptions) -> ActiveRun:
        given = cast("TaskOptions", options)
        opener, own_name, reasons, expected = self._about(opener, name, given.get("function"))
        if expected:
            given = cast("TaskOptions", {**given, "expected": (*given.get("expected", ()), *expected)})
        joins = claimed(own_name, self) is not None
        run = open_run(opener, own_name, given, joins=joins, foreign=given.get("foreign"), reasons=reasons)
        key = given.get("watched")
        if key is not None and not joins:
            run.run.preface = partial(_noted, key)
        return run

    def _about(
        self, opener: Opener, name: str, function: object
    ) -> tuple[Opener, str, Reasons, tuple[type[BaseException], ...]]:
        with self.guard:  # the attributes of a function are code of the app
            if function is not None and (found := decorated(function)) is not None:
                return found.opener, found.name, found.reasons, found.expected
        return opener, name, NO_REASONS, ()

    def _judged(self, options: TaskOptions, error: BaseException | None, result: object) -> Outcome | None:
        judge = options.get("judge")
        if judge is not None:
            with self.guard:
                return judge(error, result)
        return None

    def _runs(self) -> KeyedRuns:
        opener = self.measure.opener
        with self._lock():
            if self._keyed is None:
                self._keyed = KeyedRuns(opener, opens=self._open)
            return self._keyed

    def _lock(self) -> threading.Lock:
        return self._locks.setdefault(os.getpid(), threading.Lock())


def rooted() -> TaskOptions:
    """Returns options for a run whose span begins a trace of its own, with a link to the span that is current.

    A scheduler hands the context of the code that added a job on to that job; its runs do not belong to that trace.
    """
    adding = get_current_span().get_span_context()
    return {"context": Context(), "links": [Link(adding)]} if adding.is_valid else {"context": Context()}


def _noted(key: str, run: Run) -> bytes:
    return watched.comment(run.uuid, key, handle_of(run, is_measured=True).to_json())
