"""The list of `otel-job-measure expected`: each job, what is expected of it, and when it is due next."""

import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from otel_job_measure.cli.options import json_line
from otel_job_measure.expectations.dues import Due, due_after_start, dues
from otel_job_measure.expectations.encoding import as_object
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.expectations.words import words_of
from otel_job_measure.printable import brief
from otel_job_measure.timestamps import nanoseconds, utc

_SPANS = (timedelta(days=2), timedelta(days=40), timedelta(days=370), timedelta(days=1500))
"""A schedule of each minute is asked for two days, one of each leap year for four years."""
_WIDTH = 80
_INDENT = "  "


def print_jobs(jobs: Sequence[ExpectedJob], now: datetime, count: int) -> None:
    """Prints jobs for people, those that are retired last."""
    for job in sorted(jobs, key=lambda job: job.retired_ns is not None):
        print(_title(job))
        for line in _lines(job, now, count):
            print(textwrap.fill(brief(line), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT * 2))


def print_json(jobs: Iterable[ExpectedJob], now: datetime, count: int) -> None:
    """Prints one JSON object a line for each job."""
    for job in jobs:
        due = [f"{utc(due.at_ns):%Y-%m-%dT%H:%M:%SZ}" for due in next_dues(job, now, count)]
        print(json_line({**as_object(job), "words": words_of(job.expectation, now), "due": due}, sort=True))


def next_dues(job: ExpectedJob, now: datetime, count: int) -> Sequence[Due]:
    """Returns the next due times of a job; of one with an interval, as if it did not run before."""
    now_ns = nanoseconds(now)
    if job.retired_ns is not None:
        return ()
    if job.expectation.every_s is not None:
        due = due_after_start(job, None, now_ns)
        return () if due is None or due.at_ns < now_ns else (due,)
    found: Sequence[Due] = ()
    for span in _SPANS:
        found = dues(job, now_ns, nanoseconds(now + span)).dues[:count]
        if len(found) == count:
            break
    return found


def _title(job: ExpectedJob) -> str:
    where = ", ".join(filter(None, (job.job.project, job.job.stage, job.host and f"on {job.host}")))
    title = f"{job.job.job} ({where})" if where else job.job.job
    return brief(title if job.retired_ns is None else f"{title}, retired")


def _lines(job: ExpectedJob, now: datetime, count: int) -> Iterable[str]:
    yield f"expected: {words_of(job.expectation, now)}"
    zone = ZoneInfo(job.expectation.timezone) if job.expectation.timezone else UTC
    for due in next_dues(job, now, count):
        skipped = "" if due.skip is None else f", skipped{f': {due.skip.why}' if due.skip.why else ''}"
        at = utc(due.at_ns)
        yield f"due: {at.astimezone(zone):%a %Y-%m-%d %H:%M:%S %z} = {at:%Y-%m-%d %H:%M:%S} UTC{skipped}"
    yield f"said by: {job.source} {job.origin}".removesuffix(" ()")
    yield f"first seen: {utc(job.first_seen_ns):%Y-%m-%d %H:%M:%S} UTC{_changed(job)}"
    if job.retired_ns is not None:
        yield f"retired: {utc(job.retired_ns):%Y-%m-%d %H:%M:%S} UTC, {job.retired_why}"


def _changed(job: ExpectedJob) -> str:
    if len(job.versions) == 1:
        return ""
    return f", changed {utc(job.versions[-1].since_ns):%Y-%m-%d %H:%M:%S} UTC"
