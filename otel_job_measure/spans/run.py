"""One run of a job, from its start to its end."""

import logging
import os
from typing import TYPE_CHECKING

from otel_job_measure import forks, names
from otel_job_measure.points.outcome import Outcome
from otel_job_measure.points.rows import Series
from otel_job_measure.points.run_ids import new_run_id

if TYPE_CHECKING:
    from datetime import datetime

_logger = logging.getLogger(__name__)


class Run:
    """What is known of a run, and what of it has been recorded.

    Its start and its end are each recorded by the first who comes: a span processor, the door that opened the run, or
    the garbage collector, on any thread. Only the process that began a run ends it.

    Args:
        name: The job's name.
        uuid: The run's id; None makes a new one.
    """

    __slots__ = (
        "_pid",
        "began_ns",
        "duration_s",
        "end_ns",
        "failure",
        "host",
        "name",
        "outcome",
        "series",
        "start_ns",
        "trace",
        "unclaimed",
        "uuid",
    )

    series: Series | None
    """The start of its rows; None where it cannot be recorded at all."""
    start_ns: int
    """When it began, in nanoseconds since 1970."""
    began_ns: int
    """The same moment by the monotonic clock."""
    outcome: Outcome | None
    """How it ended; None while it goes on."""
    end_ns: int
    duration_s: float | None
    failure: Outcome | None
    """What `fail()` said."""
    host: str
    """Where it runs; empty where it cannot be recorded at all."""
    trace: tuple[int, int] | None
    """The ids of its trace and its span, where a trace backend has them."""
    unclaimed: dict[str, bool]
    """Of `start` and `end`, what nobody has recorded or is recording."""

    def __init__(self, name: str, uuid: str | None = None) -> None:
        self.name = name
        self.uuid = uuid or new_run_id()
        self._pid = os.getpid()
        self.series = None
        self.start_ns = self.began_ns = self.end_ns = 0
        self.duration_s = None
        self.outcome = self.failure = None
        self.host = ""
        self.trace = None
        # Taking something out of a dict is one step for every thread, signal handler and garbage collector.
        self.unclaimed = {"start": True, "end": True}

    @property
    def is_of_this_process(self) -> bool:
        """Returns whether this process began it, and not one that this was forked from."""
        return self._pid == os.getpid()

    def claim_start(self) -> bool:
        """Tells whether the caller is the one who records the start; only the first is."""
        return self.unclaimed.pop("start", False)

    def give_back_start(self) -> None:
        """Lets another caller record the start: the one who had claimed it was interrupted."""
        self.unclaimed["start"] = True

    def claim_end(self) -> bool:
        """Tells whether the caller is the one who records the end; only the first is."""
        return self.unclaimed.pop("end", False)

    def give_back_end(self) -> None:
        """Lets another caller record the end."""
        self.unclaimed["end"] = True


class JobRun:
    """A run as the job inside it sees it.

    Args:
        run: The run.
    """

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def uuid(self) -> str:
        """Returns the run's id, which all its points have: 12 characters of shortuuid's alphabet."""
        return self._run.uuid

    @property
    def name(self) -> str:
        """Returns the job's name."""
        return self._run.name

    @property
    def started(self) -> "datetime":
        """Returns when the run began, in UTC."""
        with forks.fork_gate():
            from datetime import UTC, datetime, timedelta  # noqa: PLC0415 - `exec` never asks

        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._run.start_ns // 1000)

    def fail(self, message: str | None = None) -> None:
        """Says that the run has failed although nothing is raised; an exception that comes later tells more.

        Args:
            message: Why; it is written where `OTEL_JOB_MEASURE_ERROR_MESSAGE` asks for messages.
        """
        run = self._run
        if run.outcome is not None:
            _logger.warning("fail() of a run of %r came after its end and changes nothing", run.name)
            return
        run.failure = Outcome(reason=names.REASON_ERROR, error_message=message)

    def __repr__(self) -> str:
        return f"<JobRun {self.name!r} {self.uuid}>"
