"""One look at the store, which all pages share."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from otel_job_measure.insight.check import Checked
from otel_job_measure.insight.overview import Overview
from otel_job_measure.insight.run_store import RunStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found.

    Args:
        store: The store, for what single pages ask.
        found: The check of all jobs.
        overview: All jobs as people see them.
        lacks: What is not in the store yet, for people; empty if nothing is missing.
        trace_link: The URL of a trace, with places for its ids; None if none is configured.
    """

    store: RunStore
    found: Checked
    overview: Overview
    lacks: str
    trace_link: str | None = None


Looks = Callable[[], Look]


def is_same(one: Look, other: Look) -> bool:
    """Returns whether two looks found the same, except for the time."""
    later = replace(other.overview, at_ns=one.overview.at_ns, since_ns=one.overview.since_ns)
    return one.lacks == other.lacks and one.overview == later
