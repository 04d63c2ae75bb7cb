"""Which run started for which due time. Each due time has at most one run, and each run at most one due time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.expectations.dues import Due
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.points.monitor import Event

NS: Final = 10**9
GOING_ON: Final = "the run before it was still going on"
"""Why a due time needs no run that a live run spans."""
_MOST_EARLY_S: Final = 60.0
_EARLY_PART: Final = 4
"""A run may start this part of the gap before its due time, so that the windows of two due times share no beginning."""


class Settled(NamedTuple):
    """What is known of a due time.

    Args:
        due: The due time.
        run: The run that started for it.
        skipped: Why no run is needed; empty if one is.
    """

    due: Due
    run: AnyRun | None = None
    skipped: str = ""

    @property
    def in_time(self) -> bool:
        """Whether a run started for it within its grace; one that a scheduler made up for later is not in time."""
        return self.run is not None and started_ns(self.run) <= deadline_ns(self.due)


@dataclass(frozen=True, slots=True)
class _Start:
    """A run that may match: its scheduled time, and whether a scheduler said that time."""

    at_ns: int
    uuid: str
    run: AnyRun
    exact: bool


@dataclass(frozen=True, slots=True)
class _Window:
    """A due time and the earliest start that may match it."""

    due: Due
    index: int
    from_ns: int

    @property
    def until_ns(self) -> int:
        return deadline_ns(self.due)


def deadline_ns(due: Due) -> int:
    """Returns the latest start that is in time."""
    return due.at_ns + int(due.grace_s * NS)


def early_ns(due: Due) -> int:
    """Returns how long before its due time a run may start."""
    return int(min(_MOST_EARLY_S, due.gap_s / _EARLY_PART) * NS)


def scheduled_ns(run: AnyRun) -> int:
    """Returns the time that a run was scheduled for: its start minus its lag if that is known, else its start."""
    return started_ns(run) - int((run.lag_s or 0.0) * NS)


def is_scheduled(run: AnyRun) -> bool:
    """Returns whether a run may match a due time: not by hand, and no further attempt at an earlier run."""
    by_itself = run.trigger not in {names.TRIGGER_MANUAL, names.TRIGGER_RETRY}
    return by_itself and (run.attempt is None or run.attempt <= 1)


def match(
    dues: Sequence[Due],
    runs: Iterable[AnyRun],
    skipped: Iterable[Event] = (),
    live_until_ns: Mapping[str, int] | None = None,
) -> list[Settled]:
    """Returns what is known of each due time. The order of the runs does not matter.

    First, each run whose lag is known takes the due time that it was scheduled for. Then the due times that are left,
    the oldest first, take the oldest run in their window: from `min(60 s, gap / 4)` before the due time to the end of
    its grace. What is left then was skipped if a skip, the scheduler or a live run across the due time says so.

    Args:
        dues: In ascending order.
        runs: The runs of the job, also those that match nothing.
        skipped: The due times that a scheduler skipped.
        live_until_ns: Until when each open run lived, by its uuid; one that is not named lived when it started.
    """
    windows = _windows(dues)
    all_runs = list(runs)
    starts = sorted(
        (_Start(scheduled_ns(run), run.uuid, run, run.lag_s is not None) for run in all_runs if is_scheduled(run)),
        key=lambda start: (start.at_ns, start.uuid),
    )
    taken: dict[int, AnyRun] = {}
    left = list(_exact(windows, starts, taken))
    _oldest_first(windows, left, taken)
    why = _skips(windows, taken, skipped, all_runs, live_until_ns or {})
    return [Settled(due, taken.get(index), why.get(index, "")) for index, due in enumerate(dues)]


def _windows(dues: Sequence[Due]) -> list[_Window]:
    """Returns the windows; each begins after the due time before it, whatever gap a schedule states."""
    windows: list[_Window] = []
    for index, due in enumerate(dues):
        early = early_ns(due)
        if windows:
            early = min(early, (due.at_ns - dues[index - 1].at_ns) // _EARLY_PART)
        windows.append(_Window(due, index, due.at_ns - early))
    return windows


def _exact(windows: Sequence[_Window], starts: Sequence[_Start], taken: dict[int, AnyRun]) -> Iterator[_Start]:
    """Gives each due time the first run that was scheduled for it; yields the runs that are left."""
    at = 0
    for start in starts:
        while at < len(windows) and windows[at].due.at_ns + early_ns(windows[at].due) < start.at_ns:
            at += 1
        fits = start.exact and at < len(windows) and windows[at].from_ns <= start.at_ns
        if fits and windows[at].index not in taken:
            taken[windows[at].index] = start.run
        else:
            yield start


def _oldest_first(windows: Sequence[_Window], starts: Sequence[_Start], taken: dict[int, AnyRun]) -> None:
    """Gives each due time that is left the oldest run in its window that is left."""
    at = 0
    for window in windows:
        if window.index in taken:
            continue
        while at < len(starts) and starts[at].at_ns < window.from_ns:
            at += 1
        if at < len(starts) and starts[at].at_ns <= window.until_ns:
            taken[window.index] = starts[at].run
            at += 1


def _skips(
    windows: Sequence[_Window],
    taken: Mapping[int, AnyRun],
    skipped: Iterable[Event],
    runs: Sequence[AnyRun],
    live_until_ns: Mapping[str, int],
) -> dict[int, str]:
    """Returns why due times without a run need none."""
    said = sorted((event.at_ns if event.due_ns is None else event.due_ns, event.detail) for event in skipped)
    lives = sorted((started_ns(run), _lived_until_ns(run, live_until_ns)) for run in runs if run.started_ns is not None)
    why: dict[int, str] = {}
    event = life = 0
    latest_ns = -(2**63)
    for window in windows:
        due = window.due
        while event < len(said) and said[event][0] < window.from_ns:
            event += 1
        while life < len(lives) and lives[life][0] < due.at_ns:
            latest_ns = max(latest_ns, lives[life][1])
            life += 1
        if window.index in taken:
            continue
        if due.skip is not None:
            why[window.index] = due.skip.why or "skipped"
        elif event < len(said) and said[event][0] <= due.at_ns + early_ns(due):
            why[window.index] = said[event][1] or "the scheduler skipped it"
            event += 1
        elif latest_ns > due.at_ns:
            why[window.index] = GOING_ON
    return why


def _lived_until_ns(run: AnyRun, live_until_ns: Mapping[str, int]) -> int:
    return live_until_ns.get(run.uuid, started_ns(run)) if run.ended_ns is None else run.ended_ns
