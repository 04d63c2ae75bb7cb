"""What processes without a shipper do for all of them, now and then: nobody else may come for months.

Commands in a crontab, with no InfluxDB, are such processes. Each leaves a segment; one of them in a while ends the runs
of those that were killed, keeps the state directory within its bound, and folds what the others left into the history.
"""

import contextlib

from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import HistoryError
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings
from otel_job_measure.settings.model import LOCAL

_ENOUGH = 64
"""How many segments are worth a transaction of the history, and the 7 ms that SQLite takes to load."""


def are_due(settings: Settings) -> bool:
    """Returns whether nobody has done this a moment ago; that is one look at a file, and loads nothing.

    Args:
        settings: Where the state directory is.
    """
    return not settings.in_memory and not StateDir(settings.state_path).was_looked_after(SystemClock())


def look_after(journal: SegmentJournal) -> None:
    """Ends the runs of those who are gone, and sees to `OTEL_JOB_MEASURE_MAX_BYTES`.

    Args:
        journal: This process's, not closed yet.
    """
    journal.recover()


def fold_left(settings: Settings, *, within_s: float) -> None:
    """Folds what was left for no other store than the history into it, where that is enough to be worth it.

    Args:
        settings: Where the state directory is; with a destination, or without a history, there is nothing to fold.
        within_s: How long to go on at most, in seconds.
    """
    if settings.destination_id != LOCAL or not settings.history:
        return
    state = StateDir(settings.state_path)
    waiting = next(state.ready_windows({LOCAL}), None) or []
    if len(waiting) < _ENOUGH:
        return
    from otel_job_measure.runtime import history_reader  # noqa: PLC0415 - SQLite, which most of these processes do without

    history = history_reader.history_of(settings)
    with contextlib.suppress(HistoryError):  # another process is at it, or it is said to whoever reads the history
        history.catch_up(waiting, within_s=within_s)
        history_reader.drop_local(state, history, waiting)
