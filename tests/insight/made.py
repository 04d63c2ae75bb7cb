"""Runs, due times and expectations for tests, in seconds after one moment."""

from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.expectations.dues import Due
from otel_job_measure.expectations.expectation import Expectation, ExpectedJob, JobId, Skip, Version
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.absence import Evidence
from otel_job_measure.insight.facts import Facts
from otel_job_measure.insight.findings import Finding
from otel_job_measure.insight.run_store import OpenRun
from otel_job_measure.insight.states import Judgement, judge
from otel_job_measure.points.monitor import Sender

NS: Final = 10**9
T0_S: Final = 1_790_000_000 // 86_400 * 86_400
"""A midnight in UTC."""
JOB: Final = JobId("nightly", "billing", "production")
HOUR: Final = 3600.0
DAY: Final = 86_400.0


def at(seconds: float) -> int:
    """Returns a time in ns since 1970."""
    return T0_S * NS + int(seconds * NS)


def run(start: float | None, end: float | None = None, uuid: str | None = None, **values: Any) -> RunRecord:  # noqa: ANN401 - further fields
    """Returns a run; without an end, it is open."""
    took_s = None if start is None or end is None else end - start
    values = {"duration_s": None if values.get("reason") == names.REASON_LOST else took_s, "host": "a"} | values
    reason = values.get("reason")
    status = RUNNING if end is None else names.STATUS_FAILED if reason else names.STATUS_END
    return RunRecord(
        uuid=uuid or f"u{start}",
        job=JOB.job,
        project=JOB.project,
        stage=JOB.stage,
        tags={},
        started_ns=None if start is None else at(start),
        ended_ns=None if end is None else at(end),
        status=values.pop("status", status),
        **values,
    )


STEADY_HOURLY: Final = tuple(run(-each * HOUR + 2, -each * HOUR + 12) for each in range(30, 0, -1))
"""Runs of 10 s, each hour, up to an hour ago."""


def opened(start: float, alive: float | None = None, interval_s: float | None = 60.0, **values: Any) -> OpenRun:  # noqa: ANN401 - further fields
    """Returns an open run with its last sign of life."""
    alive_ns = None if alive is None else at(alive)
    return OpenRun(run=run(start, **values), alive_ns=alive_ns, interval_s=None if alive is None else interval_s)


def due(seconds: float, grace_s: float = 360.0, gap_s: float = HOUR, skip: Skip | None = None) -> Due:
    """Returns a due time of an hourly job."""
    return Due(at(seconds), grace_s, gap_s, skip)


def expected(first_seen: float = -30 * DAY, host: str | None = None, **limits: Any) -> ExpectedJob:  # noqa: ANN401 - further fields
    """Returns an expectation."""
    skips: tuple[Skip, ...] = limits.pop("skips", ())
    retired = limits.pop("retired", None)
    expectation = Expectation(scope="any" if host is None else "host", **limits)
    return ExpectedJob(
        job=JOB,
        source="code",
        host=host,
        first_seen_ns=at(first_seen),
        versions=(Version(at(first_seen), expectation),),
        skips=skips,
        retired_ns=None if retired is None else at(retired),
    )


def history(now: float, **values: Any) -> Evidence:  # noqa: ANN401 - further fields
    """Returns the evidence of a history that is up to date."""
    return Evidence(now_ns=at(now), complete_until_ns=at(values.pop("complete", now)), **values)


def sender(host: str, at_s: float, complete: float | None = None, *, pending: int = 0, left: bool = False) -> Sender:
    """Returns the last word of a host."""
    complete_ns = at(at_s if complete is None else complete)
    return Sender(host=host, at_ns=at(at_s), complete_until_ns=complete_ns, pending=pending, left=left)


def server(now: float, *senders: Sender, **values: Any) -> Evidence:  # noqa: ANN401 - further fields
    """Returns the evidence of an InfluxDB."""
    return Evidence(now_ns=at(now), senders={each.host: each for each in senders}, **values)


def judgement(evidence: Evidence, of: ExpectedJob | None = None, *runs: RunRecord, **values: Any) -> Judgement:  # noqa: ANN401 - further fields
    """Judges one job, looking a day back."""
    after_ns = values.pop("after_ns", evidence.now_ns - int(DAY * NS))
    return judge(Facts(job=JOB, expected=of, runs=runs, after_ns=after_ns, **values), evidence)


def names_of(judged: Judgement) -> list[str]:
    """Returns what was found, in order."""
    return [finding.name for finding in judged.findings]


def of_name(judged: Judgement, name: str) -> Finding:
    """Returns one finding."""
    return next(finding for finding in judged.findings if finding.name == name)
