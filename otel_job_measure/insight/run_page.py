"""One run with all that is known of it: the run itself, its output, the other attempts, and its neighbours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import quote

from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.run_store import OpenRun, RunStore, Wanted

MOST_FOUND: Final = 20
"""How many runs are listed if the beginning of an id means several."""
END_OF_LOST: Final = "not known: its process was gone"
"""What people read for the end of a lost run: its row has a time right after its start."""
_NEAR: Final = 20
"""So many runs of a job may begin in the same nanosecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """One run as its page shows it.

    Args:
        run: The run.
        at_ns: When it was looked at.
        due_ns: When it was due; None if that is unknown.
        open: Its signs of life, if it is open.
        age_s: How long it has been open; None if it ended.
        output: The end of what its command wrote, by `stdout` and `stderr`, if it was kept.
        attempts: All attempts of its task, the first one first; empty if it has none.
        before: The run of its job before it; None if there is none.
        after: The run of its job after it.
        trace_url: Where its trace is; None if it has no trace or no address is configured.
    """

    run: RunRecord
    at_ns: int
    due_ns: int | None
    open: OpenRun | None
    age_s: float | None
    output: Mapping[str, bytes]
    attempts: tuple[RunRecord, ...]
    before: RunRecord | None
    after: RunRecord | None
    trace_url: str | None


def found_runs(store: RunStore, uuid_prefix: str, at_ns: int | None = None) -> list[RunRecord]:
    """Returns the runs that an id or its beginning means, the newest first; a whole id means only its own runs.

    Args:
        store: The store.
        uuid_prefix: The id, or its beginning.
        at_ns: When the run started, if that is known: then the store need not look through all runs for the id.

    Raises:
        StoreError: The store does not answer.
    """
    if at_ns is not None:
        then = store.latest(Wanted(since_ns=at_ns, until_ns=at_ns + 1), MOST_FOUND)
        if found := [run for run in then if run.uuid == uuid_prefix]:
            return found
    found = store.find(uuid_prefix, MOST_FOUND) if uuid_prefix else []
    return [run for run in found if run.uuid == uuid_prefix] or found


def run(
    store: RunStore,
    record: RunRecord,
    *,
    at_ns: int,
    output_of: Callable[[str], Mapping[str, bytes]] = lambda _: {},
    trace_link: str | None = None,
) -> RunPage:
    """Returns one run with what belongs to it.

    Args:
        store: The store that has it.
        record: The run.
        at_ns: The time.
        output_of: Returns what is kept of a run's output, by the stream.
        trace_link: A URL in which `{trace_id}`, `{span_id}`, `{job}` and `{uuid}` are replaced.

    Raises:
        StoreError: The store does not answer.
    """
    is_open = record.status == RUNNING
    opened = store.open_runs(Wanted.of_job(record.job_id)) if is_open else []
    before, after = _neighbours(store, record)
    return RunPage(
        run=record,
        at_ns=at_ns,
        due_ns=None if record.lag_s is None else started_ns(record) - int(record.lag_s * NS),
        open=next((each for each in opened if each.run.uuid == record.uuid), None),
        age_s=max(0.0, (at_ns - started_ns(record)) / NS) if is_open else None,
        output=output_of(record.uuid),
        attempts=tuple(store.attempts(record.task_id)) if record.task_id else (),
        before=before,
        after=after,
        trace_url=trace_url(record, trace_link),
    )


def trace_url(record: RunRecord, template: str | None) -> str | None:
    """Returns where a run's trace is; None if it has none or there is no template."""
    if not template or record.trace_id is None:
        return None
    values = {
        "{trace_id}": record.trace_id,
        "{span_id}": record.span_id or "",
        "{job}": record.job,
        "{uuid}": record.uuid,
    }
    for name, value in values.items():
        template = template.replace(name, quote(value, safe=""))
    return template


def _neighbours(store: RunStore, record: RunRecord) -> tuple[RunRecord | None, RunRecord | None]:
    """Returns the runs of the same job before and after a run, in the order of the starts."""
    place = _place(record)
    older = store.latest(Wanted.of_job(record.job_id, until_ns=place[0] + 1), _NEAR)
    newer = islice(store.starts(Wanted.of_job(record.job_id, since_ns=place[0])), _NEAR)
    before = max((run for run in older if _place(run) < place), key=_place, default=None)
    return before, next((run for run in newer if _place(run) > place), None)


def _place(run: RunRecord) -> tuple[int, str]:
    return started_ns(run), run.uuid
