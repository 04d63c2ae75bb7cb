"""A simulated job: its runs, what of them has arrived at a time, and the truth about its due times."""

from dataclasses import dataclass, field
from typing import Final

from benchmarks.simulation.world import World
from otel_job_measure import names
from otel_job_measure.expectations.dues import Due
from otel_job_measure.expectations.expectation import Expectation, ExpectedJob
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.points.monitor import Event

SIGN_S: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Ran:
    """A run, in seconds since the beginning by the true clock.

    Args:
        end_s: When it ended, or was killed.
        is_killed: Whether it was killed; then its end is written at `lost_s`.
    """

    uuid: str
    host: str
    start_s: float
    end_s: float
    is_killed: bool = False
    lost_s: float = float("inf")
    reason: str | None = None
    lag_s: float | None = None
    trigger: str | None = None
    attempt: int | None = None
    task_id: str | None = None
    due_ns: int | None = None
    start_arrives_s: float = 0.0
    end_arrives_s: float = 0.0

    @property
    def sign_s(self) -> float:
        """The last sign of life that a killed run gave."""
        return self.start_s + (self.end_s - self.start_s) // SIGN_S * SIGN_S


@dataclass(slots=True, kw_only=True)
class Job:
    """A job, its runs in the order of their starts, and the truth about it."""

    kind: str
    expected: ExpectedJob
    runs: list[Ran] = field(default_factory=list[Ran])
    skipped: list[Event] = field(default_factory=list[Event])
    dues: list[Due] = field(default_factory=list[Due])
    absent: set[int] = field(default_factory=set[int])

    @property
    def limits(self) -> Expectation:
        """Its limits."""
        return self.expected.expectation


def record_of(job: Job, ran: Ran, world: World, now_s: float) -> RunRecord | None:
    """Returns what has arrived of a run."""
    if ran.start_arrives_s > now_s:
        return None
    has_ended = ran.end_arrives_s <= now_s
    skew_s = world.hosts[ran.host]
    end_s = ran.sign_s if ran.is_killed else ran.end_s
    reason = names.REASON_LOST if ran.is_killed else ran.reason
    return RunRecord(
        uuid=ran.uuid,
        job=job.expected.job.job,
        project=job.expected.job.project,
        stage=job.expected.job.stage,
        tags={},
        started_ns=world.ns(ran.start_s + skew_s),
        ended_ns=world.ns(end_s + skew_s) if has_ended else None,
        status=RUNNING if not has_ended else names.STATUS_END if reason is None else names.STATUS_FAILED,
        reason=reason if has_ended else None,
        duration_s=end_s - ran.start_s if has_ended and not ran.is_killed else None,
        host=ran.host if has_ended or now_s > ran.start_s + 2 * SIGN_S else None,
        attempt=ran.attempt,
        lag_s=ran.lag_s,
        trigger=ran.trigger,
        task_id=ran.task_id,
    )
