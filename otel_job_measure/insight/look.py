"""One look at a store as commands, the page and the report take it: the same evidence, so the same states."""

from collections.abc import Callable, Sequence
from pathlib import Path

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import StoreError
from otel_job_measure.expectations.expectation import ExpectedJob, JobId
from otel_job_measure.insight import checker_memory
from otel_job_measure.insight.absence import Evidence, Span
from otel_job_measure.insight.check import Checked, checked
from otel_job_measure.insight.run_store import RunStore
from otel_job_measure.journal.state_dir import StateDir


def look(  # noqa: PLR0913 - what a look depends on
    store: RunStore,
    *,
    complete_until_ns: int | None,
    folder: Path | None = None,
    wants: Callable[[JobId], bool] = lambda _: True,
    here: Sequence[ExpectedJob] = (),
    remembers: bool = False,
    clock: Clock | None = None,
) -> Checked:
    """Judges all jobs of a store, and writes no rows.

    Args:
        store: The store.
        complete_until_ns: Up to when a history is complete, 0 if it lacks rows; None if the store is an InfluxDB.
        folder: The state directory, which remembers when an InfluxDB was away, and which rows the history never got.
        wants: Which jobs are looked at.
        here: What this state directory expects beside an InfluxDB.
        remembers: Whether this look is remembered in the state directory, as each `check` is.
        clock: The time.

    Raises:
        StoreError: The store does not answer.
    """
    now_ns = (clock or SystemClock()).wall_ns()
    if complete_until_ns is not None:
        gaps = () if folder is None else tuple(Span(*each) for each in StateDir(folder).unknown_times())
        return checked(store, Evidence(now_ns=now_ns, complete_until_ns=complete_until_ns, gaps=gaps), wants=wants)
    remembered = checker_memory.Remembered() if folder is None else checker_memory.read(folder).as_of(now_ns)
    evidence = Evidence(now_ns=now_ns, gaps=remembered.gaps_at(now_ns), unlooked=remembered.now_away(now_ns))
    try:
        found = checked(store, evidence, wants=wants, known_ahead=remembered.ahead, here=here)
    except StoreError:
        if remembers and folder is not None:
            checker_memory.write(folder, remembered.after_failure(now_ns))
        raise
    if remembers and folder is not None:
        checker_memory.write(folder, remembered.after_look(found.evidence))
    return found
