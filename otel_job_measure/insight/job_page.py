"""One job with all that is known of it: its state, its expectation, its runs, what failed, and what did not happen."""

from dataclasses import dataclass
from datetime import datetime

from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.expectations.words import words_of
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight import tally
from otel_job_measure.insight.check import Checked
from otel_job_measure.insight.overview import STRIP, JobView, jobs, view_of
from otel_job_measure.insight.run_store import FailureCount, RunStore, Wanted
from otel_job_measure.points.monitor import Event
from otel_job_measure.timestamps import utc

MOST_RUNS = 500
"""How many of the latest runs of the period a job's page has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One job as its page shows it.

    Args:
        view: The job as the list of jobs shows it.
        since_ns: The begin of the period.
        at_ns: Its end: when it was looked at.
        expected: What is expected of it, in words; empty if nothing is.
        failures: How often it failed in which way in the period, the most frequent first.
        runs: Its latest runs of the period, the newest first, at most `MOST_RUNS`.
        events: What was found in the period and not taken back, the oldest first: `missed` at the due times, and so on.
    """

    view: JobView
    since_ns: int
    at_ns: int
    expected: str
    failures: tuple[FailureCount, ...]
    runs: tuple[RunRecord, ...]
    events: tuple[Event, ...]


def job(  # noqa: PLR0913 - what one page depends on
    store: RunStore,
    found: Checked,
    job_id: JobId,
    *,
    since_ns: int,
    until_ns: int | None = None,
    strip: int = STRIP,
    view: JobView | None = None,
    most_runs: int = MOST_RUNS,
) -> JobPage | None:
    """Returns one job; None if nothing is known of it.

    Args:
        store: The store that the check has asked.
        found: The check; it has looked at this job at least.
        job_id: The job.
        since_ns: The begin of the period.
        until_ns: The end of the period, before which its runs started; None means that they are the latest.
        strip: How many of the last runs its strip shows.
        view: The job as the list of jobs has it, if that is known.
        most_runs: How many of the latest runs of the period it has at most.

    Raises:
        StoreError: The store does not answer.
    """
    if view is None:
        view = next(iter(jobs(store, found, since_ns=since_ns, wanted=Wanted.of_job(job_id), strip=strip).jobs), None)
    if view is None and job_id not in found.last:
        return None
    in_period = Wanted.of_job(job_id, since_ns=since_ns, until_ns=until_ns)
    runs = store.latest(in_period, most_runs)
    return JobPage(
        view=view or view_of(job_id, found),
        since_ns=since_ns,
        at_ns=found.at_ns,
        expected=_words(found, job_id),
        failures=tuple(tally.failures(runs) if len(runs) < most_runs else store.failures(in_period)),
        runs=tuple(runs),
        events=_events(store, found, job_id, since_ns),
    )


def _words(found: Checked, job_id: JobId) -> str:
    now = utc(found.at_ns)
    return "; ".join(
        dict.fromkeys(_of_one(each, now) for each in found.expected.get(job_id, ()) if each.retired_ns is None)
    )


def _of_one(expected: ExpectedJob, now: datetime) -> str:
    where = f" on {expected.host}" if expected.host else ""
    return f"{words_of(expected.expectation, now)}{where}"


def _events(store: RunStore, found: Checked, job_id: JobId, since_ns: int) -> tuple[Event, ...]:
    """Returns the events that checks have written, and those of this look, each once; the last word counts."""
    told = [event for event in store.events(since_ns) if event.job == job_id]
    told += [event for each in found.judgements if each.job == job_id for event in each.events]
    last = {(event.event, event.at_ns): event for event in told if event.at_ns >= since_ns}
    return tuple(sorted((event for event in last.values() if not event.withdrawn), key=lambda each: each.at_ns))
