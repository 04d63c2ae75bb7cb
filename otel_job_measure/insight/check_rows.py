"""The rows of a look: the events that are new, and the states that changed or are an hour old."""

from typing import Final

from otel_job_measure.insight.check import LOOK_NS, Checked, badness
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.run_store import RunStore
from otel_job_measure.points.monitor import Event, State

_HOUR_NS: Final = 3600 * NS


def new_rows(found: Checked, store: RunStore) -> list[Event | State]:
    """Returns what is not in the store yet.

    Raises:
        StoreError: The store does not answer.
    """
    events = [event for each in found.judgements for event in each.events]
    earliest_ns = min((event.at_ns for event in events), default=found.at_ns - LOOK_NS)
    known = {_key(event) for event in (store.events(earliest_ns) if events else ())}
    before = {state.job: state for state in store.states()}
    states = [state for state in states_of(found) if _is_new(state, before.get(state.job))]
    return [*(event for event in events if _key(event) not in known), *states]


def states_of(checked_jobs: Checked) -> list[State]:
    """Returns the row of each job's state; of a job on several hosts, the worst one."""
    of_jobs = sorted(checked_jobs.judgements, key=lambda each: badness(each.state.level))
    worst = {each.job: each.state for each in of_jobs}
    return [
        State(
            job=job,
            at_ns=checked_jobs.at_ns,
            state=finding.name,
            level=finding.level,
            since_ns=finding.since_ns,
            due_ns=finding.due_ns,
        )
        for job, finding in sorted(worst.items(), key=lambda pair: pair[0])
    ]


def _key(event: Event) -> tuple[object, ...]:
    return event.job, event.event, event.at_ns, event.withdrawn


def _is_new(state: State, before: State | None) -> bool:
    if before is None or before.at_ns > state.at_ns:
        return True
    is_same = (before.state, before.level, before.since_ns) == (state.state, state.level, state.since_ns)
    return not is_same or state.at_ns - before.at_ns >= _HOUR_NS
