"""A report as values, which the text, the page, the tables and the mail show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from otel_job_measure.history.run_order import started_ns
from otel_job_measure.insight.check import Checked
from otel_job_measure.insight.overview import Overview, jobs
from otel_job_measure.insight.report.changes import NEW, Change, changes
from otel_job_measure.insight.run_store import ALL, FailureCount, RunStore, Summary, Wanted

STRIP = 20
"""How many of the last runs of each job a report shows: three hundred jobs fit into 200 kB."""
_USUAL_NS: Final = 30 * 86_400 * 10**9
_FIRST_NS: Final = 2 - 2**63
"""The first time that a store can be asked for, in 1677."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All runs of a period.

    Args:
        jobs: How many jobs ran.
        runs: How many runs started.
        failed: How many failed.
        running: How many are open.
    """

    jobs: int
    runs: int
    failed: int
    running: int

    @classmethod
    def of(cls, summaries: Sequence[Summary]) -> "Totals":
        """Adds the summaries of a period up."""
        return cls(
            jobs=len(summaries),
            runs=sum(each.runs for each in summaries),
            failed=sum(each.failed for each in summaries),
            running=sum(each.running for each in summaries),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All jobs over a period, beside the period before, which is as long.

    Args:
        wanted: Which jobs it is about.
        overview: The jobs as people see them.
        before_ns: The begin of the period before.
        before: What the runs of the period before come to, for each job that ran then.
        changes: What changed.
        failures: How often which job failed in which way, the most frequent first.
        first_ns: When the first run that is known started, if that was in the period: then nothing can be compared, and
            no change is named.
    """

    wanted: Wanted
    overview: Overview
    before_ns: int
    before: Sequence[Summary]
    changes: Sequence[Change]
    failures: Sequence[FailureCount]
    first_ns: int | None

    @property
    def kept_ns(self) -> int | None:
        """Since when the store keeps all runs, if that is after `before_ns`: then no job is called new."""
        return self.overview.kept_ns if self.overview.kept_ns > self.before_ns else None

    @property
    def totals(self) -> Totals:
        """All runs of the period."""
        return Totals.of([view.summary for view in self.overview.jobs if view.summary.runs])

    @property
    def totals_before(self) -> Totals:
        """All runs of the period before."""
        return Totals.of(self.before)


def report(store: RunStore, found: Checked, *, since_ns: int, wanted: Wanted = ALL) -> Report:
    """Returns the report of a store.

    Args:
        store: The store that the check has asked.
        found: The check; it has looked at these jobs at least.
        since_ns: The begin of the period; it ends with the check.
        wanted: Which jobs.

    Raises:
        StoreError: The store does not answer.
    """
    before_ns = max(_FIRST_NS, since_ns - max(0, found.at_ns - since_ns))
    overview = jobs(store, found, since_ns=since_ns, wanted=wanted, strip=STRIP)
    now = [view.summary for view in overview.jobs if view.summary.runs]
    before = store.summaries(replace(wanted, since_ns=before_ns, until_ns=since_ns))
    first_ns = None if before or not now else _first_ns(store, since_ns)
    changed = changes(before, now) if first_ns is None else []
    is_whole = found.kept_ns <= before_ns
    return Report(
        wanted=wanted,
        overview=overview,
        before_ns=before_ns,
        before=before,
        # Before all runs are kept, a store may have the last run of one job, and no run of the others.
        changes=tuple(each for each in changed if is_whole or each.kind != NEW),
        failures=store.failures(replace(wanted, since_ns=since_ns)),
        first_ns=first_ns,
    )


def usual_since_ns(found: Checked) -> int:
    """Returns the begin of the period that a report has unless told otherwise.

    These are 30 days, or half of what the store keeps, so that it has the period before too.
    """
    return found.at_ns - min(_USUAL_NS, (found.at_ns - found.kept_ns) // 2)


def _first_ns(store: RunStore, since_ns: int) -> int | None:
    """Returns when the first of all runs started; None if that was before the period."""
    first = next(store.starts(ALL), None)
    return None if first is None or started_ns(first) < since_ns else started_ns(first)
