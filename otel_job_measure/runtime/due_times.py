"""The due times that schedulers say, on their way to the state directory: the shipper's thread writes them."""

from typing import Final

from otel_job_measure.clock import Clock
from otel_job_measure.expectations.expectation import DueList, Expectation, JobId
from otel_job_measure.journal.expected_memory import ExpectedMemory
from otel_job_measure.journal.expected_store import BusyStoreError, ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.rate_limited_log import LOG, RateLimitedLog
from otel_job_measure.settings import Settings
from otel_job_measure.spans.declarations import program

_BY_SCHEDULER: Final = Expectation(by_scheduler=True)


class DueTimes:
    """What the schedulers of one process have said and the state directory does not have yet, or never if it cannot.

    A program may run as several processes with different jobs. So a job that is no longer scheduled is one without due
    times, and is retired when no process has confirmed it for long.
    """

    def __init__(self, settings: Settings, clock: Clock, memory: ExpectedMemory) -> None:
        self._memory = memory
        self._store = memory if settings.in_memory else ExpectedStore(settings.state_path, clock)
        self._log = RateLimitedLog(LOG, clock)
        self._said: dict[tuple[str, JobId], DueList] = {}

    def say(self, scheduler: str, job: JobId, due_list: DueList) -> None:
        """Takes the next due times of a job; what was said of it before counts no more."""
        self._said[scheduler, job] = due_list

    def note(self, patience_s: float = 0.0) -> None:
        """Writes what is new; a writer in another process postpones it."""
        said = dict(self._said)
        for scheduler in sorted({scheduler for scheduler, _ in said}):
            mine = {key: each for key, each in said.items() if key[0] == scheduler}
            statements = [
                Statement(job=job, expectation=_BY_SCHEDULER, due_list=due_list) for (_, job), due_list in mine.items()
            ]
            origin = f"{scheduler} in {program()}"
            snapshot = Snapshot(source="scheduler", origin=origin, statements=statements, is_whole=False)
            try:
                self._store.note(snapshot, patience_s=patience_s)
                if self._store is not self._memory:
                    self._memory.clear("scheduler", origin)
            except BusyStoreError:
                return
            except OSError as error:
                message = "the due times of %s are not kept, %s cannot be written: %s"
                self._log.warning("unwritten", message, scheduler, self._store.folder, error)
                self._memory.note(snapshot)
            for key, each in mine.items():
                if self._said.get(key) is each:  # a scheduler may have said more meanwhile
                    self._said.pop(key, None)
