"""Which source counts, if several say what a job should do: for each limit, the first one that states it.

The limits are independent of each other. So the code may say how long a run takes, while the scheduler says when it is
due. What belongs to a schedule goes together: its text, zone and dialect, the interval and the scheduler's lists.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Final

from otel_job_measure.expectations.dues import in_force
from otel_job_measure.expectations.encoding import MOST_VERSIONS
from otel_job_measure.expectations.expectation import SOURCES, Expectation, ExpectedJob, JobId, Version

_TIMING: Final = ("schedule", "dialect", "timezone", "every_s", "by_scheduler")
_OTHERS: Final = tuple(
    field.name for field in fields(Expectation) if field.name not in (*_TIMING, "scope") and field.default is None
)


def joined(jobs: Iterable[ExpectedJob]) -> list[ExpectedJob]:
    """Returns one expected job for each job, host and source, out of what several state directories say.

    Containers have state directories of their own, and each sees the code when it starts. The job was first seen by
    the first of them, so that a due time during a restart is not lost. A retirement counts if it is the last word.
    """
    by_place: dict[tuple[JobId, str | None, str, str], list[ExpectedJob]] = {}
    for job in jobs:
        by_place.setdefault((job.job, job.host, job.source, job.origin), []).append(job)
    return [_joined(sorted(found, key=_last_word_ns)) for found in by_place.values()]


def _last_word_ns(job: ExpectedJob) -> int:
    return max(job.versions[-1].since_ns, job.retired_ns or 0)


def _joined(jobs: Sequence[ExpectedJob]) -> ExpectedJob:
    """Joins what is said of one job in one place; the last one speaks last."""
    last = jobs[-1]
    living = [job for job in jobs if job.retired_ns is None]
    if len(living) < 2 or last.retired_ns is not None:  # noqa: PLR2004 - nothing to join
        return last
    versions: list[Version] = []
    for version in sorted((version for job in living for version in job.versions), key=lambda each: each.since_ns):
        if not versions or versions[-1].expectation != version.expectation:
            versions.append(version)
    return replace(
        last,
        first_seen_ns=min(job.first_seen_ns for job in living),
        versions=tuple(versions[-MOST_VERSIONS:]),
        due_lists=max((job.due_lists for job in living), key=lambda lists: lists[-1].from_ns if lists else 0),
        skips=tuple(dict.fromkeys(skip for job in living for skip in job.skips)),
    )


def effective(jobs: Iterable[ExpectedJob]) -> list[ExpectedJob]:
    """Returns one expected job for each job, and for each host if its scope is `host`, out of what all sources say.

    The first source decides the scope: beside code for any host, a crontab's line is no job of its own. Source, origin
    and lists are those of the source that says when the job is due, else of the first one. A job is retired if all
    sources have retired it.
    """
    by_job: dict[JobId, list[ExpectedJob]] = {}
    for job in joined(jobs):
        by_job.setdefault(job.job, []).append(job)
    return [merged for found in by_job.values() for merged in _of_job(sorted(found, key=_rank))]


def _of_job(jobs: Sequence[ExpectedJob]) -> Iterator[ExpectedJob]:
    first = next((job for job in jobs if job.retired_ns is None), jobs[0])
    if first.host is None:
        yield _of_all(jobs, None)
        return
    for host in dict.fromkeys(job.host for job in jobs if job.host is not None):
        yield _of_all([job for job in jobs if job.host in (None, host)], host)


def _rank(job: ExpectedJob) -> tuple[int, str]:
    return SOURCES.index(job.source), job.origin


def _of_all(jobs: Sequence[ExpectedJob], host: str | None) -> ExpectedJob:
    present = [job for job in jobs if job.retired_ns is None]
    if len(jobs) == 1 or not present:
        return max(jobs, key=lambda job: job.retired_ns or 0)
    changes = sorted({version.since_ns for job in jobs for version in job.versions} | _ends(jobs))
    first_ns = min(job.first_seen_ns for job in jobs)
    versions: list[Version] = []
    for since_ns in changes:
        merged = _at(jobs, since_ns)
        if since_ns >= first_ns and (not versions or versions[-1].expectation != merged):
            versions.append(Version(since_ns, merged))
    leading = next((job for job in present if _is_timed(job.expectation)), present[0])
    return replace(
        leading,
        host=host,
        first_seen_ns=first_ns,
        versions=tuple(versions) or leading.versions,
        due_lists=next((job.due_lists for job in present if job.expectation.by_scheduler), ()),
        skips=tuple(dict.fromkeys(skip for job in jobs for skip in job.skips)),
    )


def _ends(jobs: Iterable[ExpectedJob]) -> set[int]:
    return {job.retired_ns for job in jobs if job.retired_ns is not None}


def _at(jobs: Iterable[ExpectedJob], at_ns: int) -> Expectation:
    """Returns the limits of all sources at a time."""
    said = [version.expectation for job in jobs if (version := in_force(job, at_ns)) is not None]
    timing = next((each for each in said if _is_timed(each)), Expectation())
    values = {name: getattr(timing, name) for name in _TIMING}
    for name in _OTHERS:
        values[name] = next((getattr(each, name) for each in said if getattr(each, name) is not None), None)
    return Expectation(scope=said[0].scope if said else "any", **values)


def _is_timed(expectation: Expectation) -> bool:
    return expectation.schedule is not None or expectation.every_s is not None or expectation.by_scheduler
