"""One set of runs for the queries of the documentation, as our rows, as the old middleware's, and as plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What happened in one run.

    Args:
        uuid: Its id.
        job: Its job.
        project: A tag that is not the same for all runs of a job.
        start_ns: When it began.
        end_ns: When it ended; None while it is open.
        reason: Why it failed.
        error_type: The exception's class.
        duration_s: What the run itself measured: a little more than its two times say.
    """

    uuid: str
    job: str
    project: str
    start_ns: int
    end_ns: int | None
    reason: str | None = None
    error_type: str | None = None
    duration_s: float | None = None

    @property
    def is_lost(self) -> bool:
        """Returns whether its end is unknown."""
        return self.reason == "lost"

    @property
    def status(self) -> str:
        """Returns the status of its last row."""
        if self.end_ns is None:
            return "start"
        return "end" if self.reason is None else "failed"

    @property
    def success(self) -> float | None:
        """Returns 1.0 or 0.0; None if the ending says nothing of the job."""
        return Outcome(reason=self.reason).success


def facts(now_ns: int) -> list[Fact]:
    """Returns runs of the last days; none begins or ends within five minutes of an edge that a query has.

    Args:
        now_ns: When the queries are asked.
    """
    now_ns = now_ns // MINUTE * MINUTE
    found: list[Fact] = []

    def add(
        job: str, ago_ns: int, lasts_ns: int | None, reason: str | None = None, error_type: str | None = None
    ) -> None:
        number = len(found)
        start_ns = now_ns - ago_ns + number * 1000 + 42
        end_ns = None if lasts_ns is None else start_ns + lasts_ns
        found.append(
            Fact(
                uuid=f"{job[:6]:x<6}{number:06}",
                job=job,
                project=f"project-{number % 2}",
                start_ns=start_ns,
                end_ns=end_ns,
                reason=reason,
                error_type=error_type,
                duration_s=None if lasts_ns is None or reason == "lost" else lasts_ns / SECOND + 0.001,
            )
        )

    for i in range(31):  # some last longer than it takes until the next one begins
        add(
            "import",
            19 * HOUR - i * 35 * MINUTE,
            (50 * 60 + i) * SECOND if i % 10 == 5 else (i * 37 % 61 + 1) * 700 * 1_000_000,
        )
    failures = [("error", "ValueError"), ("error", "KeyError"), ("timeout", "TimeoutError"), ("exit", None)]
    for i in range(20):
        reason, error_type = failures[i // 4 % 4] if i % 4 == 1 else (None, None)
        add("nightly", 20 * HOUR - i * 30 * MINUTE, (i * 7 % 20 + 1) * 1_234 * 1_000_000, reason, error_type)
    add("nightly", 24 * HOUR + 30 * MINUTE, HOUR)  # over the window's edge
    for i in range(4):
        add("report", 12 * HOUR - i * HOUR, 20 * SECOND, "error" if i == 2 else None, "ValueError" if i == 2 else None)
    add("report", 7 * HOUR, MINUTE, "lost")
    add("report", 2 * HOUR, None)
    add("import", 40 * MINUTE, None)
    add("cleanup", 9 * HOUR, 3 * SECOND)
    for i in range(3):
        add("broken", 11 * HOUR - i * HOUR, 4 * SECOND, "error", "OSError")  # always fails
    add("stuck", 5 * HOUR, None)  # never ends
    add("queue", 10 * HOUR, SECOND, "retry", "Retry")
    add("queue", 9 * HOUR, SECOND, "retry", "Retry")
    add("queue", 8 * HOUR, SECOND)
    add("refused", 8 * HOUR, SECOND, "rejected")  # never gets to run
    add("archive", 5 * DAY, 90 * SECOND)
    add("archive", 3 * DAY, 80 * SECOND, "signal")
    return found


def our_rows(runs: Iterable[Fact]) -> bytes:
    """Returns the rows that we write of some runs."""
    lines: list[bytes] = []
    for run in runs:
        tags = DefaultTags(datacenter="fra", project=run.project, stage="production", more=())
        series = Series(run.job, tags)
        lines.append(start_line(series, run.uuid, run.start_ns))
        if run.end_ns is not None:
            lines.append(
                ending_lines(
                    series,
                    Ending(
                        uuid=run.uuid,
                        outcome=Outcome(reason=run.reason, error_type=run.error_type),
                        end_ns=run.end_ns,
                        duration_s=run.duration_s,
                        host="web-1",
                    ),
                    run_row=True,
                    error_message=False,
                )
            )
    return b"".join(lines)


def old_rows(runs: Sequence[Fact]) -> bytes:
    """Returns the rows that the old middleware wrote of them: one measurement, by a clock of milliseconds."""
    lines: list[str] = []
    for run in runs:
        head = f"scheduling-job,datacenter=fra,job={run.job},project={run.project},stage=production"
        lines.append(f'{head} uuid="{run.uuid}",status="start" {run.start_ns // 10**6}000000')
        if run.end_ns is not None:
            lines.append(f'{head} uuid="{run.uuid}",status="{run.status}" {run.end_ns // 10**6}000000')
    return "\n".join(lines).encode()
