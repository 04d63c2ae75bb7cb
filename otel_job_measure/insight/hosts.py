"""What holds of a host or of the store: one finding in place of one for each of its jobs."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.insight.absence import Evidence, Span
from otel_job_measure.insight.findings import CLOCK, HOST_SILENT, MISSED, NEVER_RAN, SILENT, UNKNOWN, Finding
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.states import Judgement
from otel_job_measure.points.monitor import Sender

AHEAD_S: Final = 210
"""A row that is so far ahead when it is seen comes from a clock that is wrong: of a clock five minutes ahead, each row
that a checker sees within 90 s is."""
_BEFORE_S: Final = 600
"""For how long a wrong clock may have been wrong before it was seen."""
LONG_S: Final = 3600
"""A host or a store of which nothing has been known for so long is told."""
_LEAST_JOBS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A finding about a host, or about the store if there is no host.

    Args:
        host: The host; None means the store.
        finding: What holds.
        instead_of: The jobs whose own findings it replaces.
    """

    host: str | None
    finding: Finding
    instead_of: frozenset[JobId] = frozenset()


def hosts_ahead(
    runs: Iterable[AnyRun], senders: Mapping[str, Sender], known: Mapping[str, Span], now_ns: int
) -> dict[str, Span]:
    """Returns the hosts whose clocks are or were ahead of the checker's, and when.

    Args:
        runs: The latest runs.
        senders: The last word of each host.
        known: What an earlier look returned.
        now_ns: The checker's time.
    """
    said = [(run.host, started_ns(run)) for run in runs if run.host]
    said += [(sender.host, sender.at_ns) for sender in senders.values()]
    # Until it speaks again, a host that was ahead still is.
    found = {
        host: span._replace(until_ns=max(span.until_ns, now_ns))
        if host in senders and senders[host].at_ns <= span.until_ns
        else span
        for host, span in known.items()
    }
    for host, at_ns in said:
        if at_ns >= now_ns + AHEAD_S * NS:
            before = found.get(host, Span(now_ns - _BEFORE_S * NS, at_ns))
            found[host] = Span(before.from_ns, max(before.until_ns, at_ns))
    return found


def about_hosts(judgements: Collection[Judgement], evidence: Evidence) -> list[About]:
    """Returns what holds of hosts and of the store.

    Args:
        judgements: Of all jobs.
        evidence: What the store is known to hold.
    """
    of_hosts: dict[str, list[Judgement]] = {}
    for each in judgements:
        if each.host is not None:
            of_hosts.setdefault(each.host, []).append(each)
    found = [about for host, of in sorted(of_hosts.items()) if (about := _silent_host(host, of, evidence))]
    found += [
        About(host=host, finding=Finding(name=CLOCK, since_ns=span.from_ns, detail="its clock is ahead"))
        for host, span in sorted(evidence.ahead.items())
        if span.until_ns >= evidence.now_ns
    ]
    return found + _unknown_for_long(judgements, evidence)


def about_nothing(evidence: Evidence, after_ns: int) -> list[About]:
    """Returns a finding if a history without any job lacks rows later than a time, as one that was damaged does."""
    lost = [gap for gap in evidence.gaps if evidence.is_history and gap.until_ns > after_ns]
    if not lost:
        return []
    detail = "no job is known, and rows of before were lost"
    return [About(host=None, finding=Finding(name=UNKNOWN, since_ns=max(gap.until_ns for gap in lost), detail=detail))]


def _silent_host(host: str, judgements: Collection[Judgement], evidence: Evidence) -> About | None:
    """Returns a finding if a host fell silent, or if none of its jobs that were due came."""
    jobs = frozenset(each.job for each in judgements)
    if evidence.is_gone(host):
        detail = "its sender fell silent"
        finding = Finding(name=HOST_SILENT, since_ns=evidence.senders[host].at_ns, detail=detail)
        return About(host=host, finding=finding, instead_of=jobs)
    # A job that is not due yet tells nothing. Nor does one that was missed while others still came.
    came_ns = max((started_ns(each.run) for of in judgements for each in of.due_times.settled if each.run), default=0)
    missed = {of.job: since for of in judgements if (since := _missed_since(of)) is not None}
    new = [since_ns for since_ns in missed.values() if since_ns > came_ns]
    if len(new) < _LEAST_JOBS or any(_is_waiting(of, came_ns) for of in judgements):
        return None
    detail = f"none of the {len(new)} jobs that were due has started"
    return About(
        host=host,
        finding=Finding(name=HOST_SILENT, since_ns=min(new), detail=detail),
        instead_of=frozenset(job for job, since_ns in missed.items() if since_ns > came_ns),
    )


def _missed_since(of: Judgement) -> int | None:
    missed = (finding for finding in of.findings if finding.name in {MISSED, NEVER_RAN})
    return next((finding.since_ns for finding in missed), None)


def _is_waiting(of: Judgement, came_ns: int) -> bool:
    """Returns whether a job runs now, or was skipped since the last start: then its host is there."""
    runs = any(finding.name == "running" for finding in of.findings)
    return runs or any(each.skipped and each.due.at_ns > came_ns for each in of.due_times.settled)


def _unknown_for_long(judgements: Collection[Judgement], evidence: Evidence) -> list[About]:
    """Returns a finding for the store, or for each host with a backlog, if nothing has been known for over an hour."""
    known = [of for of in judgements if of.hosts.isdisjoint(evidence.ahead)]  # the others have a finding of their own
    since = [finding.since_ns for of in known for finding in of.findings if finding.is_behind]
    looks_since_ns = 0 if evidence.unlooked is None else evidence.unlooked.until_ns
    if not since or max(min(since), looks_since_ns) > evidence.now_ns - LONG_S * NS:
        return []
    behind = sorted(
        host for host in evidence.senders if evidence.waits(host, evidence.now_ns) or evidence.is_gone(host)
    )
    detail = "what is due cannot be checked: rows are missing"
    finding = Finding(name=UNKNOWN, since_ns=min(since), detail=detail)
    return [About(host=host, finding=finding) for host in behind] or [About(host=None, finding=finding)]


def told_of(judgement: Judgement, abouts: Iterable[About]) -> tuple[Finding, ...]:
    """Returns the findings of a job that stand for themselves: no finding about its host or the store replaces them."""
    is_replaced = any(judgement.job in about.instead_of and about.host == judgement.host for about in abouts)
    return tuple(
        each
        for each in judgement.findings
        if not each.is_behind and not (is_replaced and each.name in {MISSED, NEVER_RAN, SILENT})
    )
