"""The runs of a job, some at a time, the newest first: a page goes on from a run's place, however many came before it.

The place is the run's time and its id, so that runs that arrive meanwhile move nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, NamedTuple

from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.run_store import RunStore, Wanted

MOST_READ: Final = 20_000
"""How many runs a search reads at once; the next page goes on where it ended."""
_AT_ONCE: Final = 5000
_BESIDE: Final = 2
"""The run at the place itself, and one that tells that there are more."""


class Place(NamedTuple):
    """The place of a run among those of its job.

    Args:
        at_ns: When it started, or ended if the start is unknown.
        uuid: Its id; of runs of the same time, the greater one is the newer.
    """

    at_ns: int
    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage:
    """Some runs of a job.

    Args:
        runs: The runs, the newest first.
        read: How many runs were read to find them.
        newer: The place whose newer runs come on the page before; None if this is the first page.
        older: The place whose older runs come on the next page; None if there are none.
        reached_ns: Back to when a search has come that may find more in older runs; None if it has read all.
    """

    runs: tuple[RunRecord, ...]
    read: int
    newer: Place | None
    older: Place | None
    reached_ns: int | None


def place_of(run: RunRecord) -> Place:
    """Returns the place of a run."""
    return Place(started_ns(run), run.uuid)


def older_runs(  # noqa: PLR0913 - a page and what is looked for
    store: RunStore,
    wanted: Wanted,
    size: int,
    *,
    before: Place | None = None,
    known: Sequence[RunRecord] | None = None,
    fits: Callable[[RunRecord], bool] = lambda _: True,
) -> RunsPage:
    """Returns the latest runs before a place, or the latest of all.

    Args:
        store: The store.
        wanted: The job, and the time within which its runs started.
        size: How many runs a page has.
        before: The place; None for the first page.
        known: The latest runs before the place, if they have been asked for.
        fits: Tells which of them are looked for.

    Raises:
        StoreError: The store does not answer.
    """
    more = _before(store, wanted, place_of(known[-1]) if known else before, size + _BESIDE)
    found: list[RunRecord] = []
    last = before
    read = 0
    for run in chain(known or (), more):
        if len(found) == size or read == MOST_READ:
            is_full = len(found) == size
            return RunsPage(
                runs=tuple(found),
                read=read,
                newer=_newer(found, before),
                older=last,
                reached_ns=None if is_full or last is None else last.at_ns,
            )
        last = place_of(run)
        read += 1
        if fits(run):
            found.append(run)
    return RunsPage(runs=tuple(found), read=read, newer=_newer(found, before), older=None, reached_ns=None)


def newer_runs(
    store: RunStore, wanted: Wanted, size: int, *, after: Place, fits: Callable[[RunRecord], bool] = lambda _: True
) -> RunsPage:
    """Returns the first runs that are newer than a place; if they do not fill a page, the latest of all.

    Args:
        store: The store.
        wanted: The job, and the time within which its runs started.
        size: How many runs a page has.
        after: The place.
        fits: Tells which of them are looked for.

    Raises:
        StoreError: The store does not answer.
    """
    found: list[RunRecord] = []
    last, read = after, 0
    for run in store.starts(replace(wanted, since_ns=_later(wanted.since_ns, after.at_ns))):
        if len(found) == size or read == MOST_READ:
            break
        last, read = place_of(run), read + 1
        if last > after and fits(run):
            found.append(run)
    else:
        if len(found) < size:
            return older_runs(store, wanted, size, fits=fits)
    shown = tuple(reversed(found))
    newer, older = (place_of(shown[0]), place_of(shown[-1])) if shown else (last, after)
    return RunsPage(runs=shown, read=read, newer=newer, older=older, reached_ns=None)


def _before(store: RunStore, wanted: Wanted, before: Place | None, limit: int) -> Iterator[RunRecord]:
    """Yields all runs before a place, the newest first; each time it asks for more at once."""
    while True:
        until_ns = wanted.until_ns if before is None else _sooner(wanted.until_ns, before.at_ns + 1)
        runs = store.latest(replace(wanted, until_ns=until_ns), limit)
        new = _beyond(runs, before)
        yield from new
        if len(runs) < limit:
            return
        if new:
            before, limit = place_of(new[-1]), min(_AT_ONCE, 4 * limit)
        else:
            limit *= 2  # so many runs have the same time


def _beyond(runs: Iterable[RunRecord], before: Place | None) -> list[RunRecord]:
    return [run for run in runs if before is None or place_of(run) < before]


def _newer(found: Sequence[RunRecord], before: Place | None) -> Place | None:
    if before is None:
        return None
    return place_of(found[0]) if found else before


def _later(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)


def _sooner(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)
