"""The history as a command reads it: up to date."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import HistoryError, StateDirError
from otel_job_measure.history.history import Behind, History
from otel_job_measure.history.ingest import ALONE
from otel_job_measure.journal.interfaces import Segment
from otel_job_measure.journal.maintenance import maintain
from otel_job_measure.journal.rights import whose_rights
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.assembly import boot_id, identity_of
from otel_job_measure.runtime.present import note_present
from otel_job_measure.settings import Settings
from otel_job_measure.settings.environment import default_state_dir
from otel_job_measure.settings.model import LOCAL

_PATIENCE_S: Final = 5.0
"""How long a question waits for another process that is using the history."""


def opened(settings: Settings) -> StateDir:
    """Returns the state directory, made if it is missing; raises `StateDirError` if it cannot be used."""
    state = StateDir(settings.state_path)
    try:
        state.make()
    except OSError as error:
        raise _unusable(state, error) from error
    return state


def up_to_date(settings: Settings) -> tuple[History, Behind]:
    """Ends the runs of dead processes, ingests all segments, and returns the history and what is not in it yet.

    Raises:
        StateDirError: The state directory cannot be used.
        HistoryError: The history is turned off, or cannot be read.
    """
    if not settings.history:
        raise HistoryError(f"the history is turned off ({names.ENV_PREFIX}HISTORY), so there is nothing to read")
    history = history_of(settings)
    state = StateDir(settings.state_path)
    try:
        if _is_not_there_yet(state.root):  # a command that reads makes no folder
            return history, Behind()
        state.make()
        maintain(
            state, clock=SystemClock(), boot_id=boot_id(), bound=None, always=True
        )  # a command that reads deletes nothing
        # The living ones first: one that recovery moves in between is then seen twice, and not missed.
        clock = SystemClock()
        began_ns = clock.wall_ns()
        history.positions(patience_s=_PATIENCE_S)  # what cannot be read now is not waited for again and again
        segments = {segment.name: segment for segment in (*state.living_segments(), *state.ready_segments())}
        behind = history.catch_up(list(segments.values()))
        if not behind.bytes:
            drop_local(state, history, state.ready_segments(LOCAL))
            heartbeat_s, host = settings.heartbeat_s, identity_of(settings).host
            note_present(history, state, host=host, heartbeat_s=heartbeat_s, began_ns=began_ns, clock=clock)
    except OSError as error:
        raise _unusable(state, error) from error
    return history, behind


def history_of(settings: Settings) -> History:
    """Returns the history of a state directory for a command; the file is opened at its first use."""
    path = StateDir(settings.state_path).history
    return History(path, retention_s=settings.retention_s, clock=SystemClock(), pace=ALONE)


def _is_not_there_yet(path: Path) -> bool:
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    return nearest != path and nearest.is_dir()


def _unusable(state: StateDir, error: OSError) -> StateDirError:
    own = default_state_dir()
    elsewhere = f"; runs of this user may be in {own}" if own not in {None, state.root} else ""
    what = f"the state directory {state.root} ({names.ENV_PREFIX}STATE_DIR)"
    return StateDirError(f"{what} cannot be used: {error}{whose_rights()}{elsewhere}")


def drop_local(state: StateDir, history: History, left: Sequence[Segment]) -> None:
    """Deletes segments in `ready/` that go to no server, if the history has all of them."""
    with state.adopting() as held:
        if not held:
            return
        done = [s for s in left if (history.position(s.name) or 0) >= s.size()]
        for segment in done:
            segment.delete()
        history.forget(segment.name for segment in done)
        with contextlib.suppress(HistoryError):  # another process is using it: old notes do no harm
            history.clean()


def ingest_ready(settings: Settings, segments: Sequence[Segment], *, within_s: float) -> None:
    """Ingests segments in `ready/` that only the history takes, for at most so many seconds."""
    history = history_of(settings)
    with contextlib.suppress(HistoryError):  # another process is using it, or `runs` will say
        history.catch_up(segments, within_s=within_s)
        drop_local(StateDir(settings.state_path), history, segments)
