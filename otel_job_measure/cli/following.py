"""`runs --follow`: each run when it starts and when it ends."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from rich.console import Console

from otel_job_measure.cli import options
from otel_job_measure.cli.progress import working
from otel_job_measure.cli.runs import print_json
from otel_job_measure.cli.stopping import Stopping
from otel_job_measure.cli.table import run_line
from otel_job_measure.cli.terminal import console
from otel_job_measure.cli.viewer import Viewer
from otel_job_measure.errors import JobMeasureError
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.run_store import RunStore, Wanted

_EVERY_S: Final = 2.0
_AT_ONCE: Final = 1000
"""So many new runs are listed of one look; of more of them, the latest."""
_MOST_KNOWN: Final = 20_000
"""Of so many listed runs it is kept in mind that they were listed."""


def follow(viewer: Viewer, wanted: Wanted, limit: int, *, as_json: bool) -> int:
    """Lists the latest runs, the oldest first, and then each run that starts or ends, until a signal."""
    news = News(viewer, wanted)
    with Stopping() as stopping:
        printed = print_json if as_json else partial(_print_lines, console())
        with working("reading runs"):
            latest = news.first(limit)
        printed(latest)
        if viewer.lacks:
            options.complain(viewer.lacks)
        trouble = ""
        while True:
            sys.stdout.flush()
            stopping.wait(_EVERY_S)
            before, trouble = trouble, ""
            try:
                found = list(news.next())
            except (JobMeasureError, OSError) as error:
                found, trouble = [], options.in_one_line(error)
            if trouble != before:  # once, not every other second
                options.complain(f"{trouble}; trying again" if trouble else "it answers again")
            printed(found)
    return stopping.exit_code


class News:
    """Knows which runs were listed, and how far they were then."""

    def __init__(self, viewer: Viewer, wanted: Wanted) -> None:
        self._viewer = viewer
        self._wanted = wanted
        self._known: dict[tuple[str, object], int | None] = {}
        self._open: dict[str, RunRecord] = {}

    def first(self, limit: int) -> list[RunRecord]:
        """Returns the latest runs, the oldest first."""
        store = self._viewer.store()
        self._open = {each.run.uuid: each.run for each in store.open_runs(self._wanted)}
        runs = store.latest(self._wanted, max(limit, _AT_ONCE))
        return list(self._new(reversed(runs)))[-limit:]

    def next(self) -> Iterator[RunRecord]:
        """Yields the runs that have started or ended since, the oldest first."""
        store = self._viewer.store()
        latest = store.latest(self._wanted, _AT_ONCE)
        newest = {run.uuid for run in latest}
        ended = [run for uuid in self._open.keys() - newest for run in _by_id(store, uuid)]
        yield from self._new(sorted((*ended, *latest), key=lambda run: (started_ns(run), run.uuid)))
        if len(self._known) > _MOST_KNOWN:  # not at each look: a store that was away may have the same runs again
            keys = {(run.uuid, run.job_id) for run in (*latest, *self._open.values())}
            self._known = {key: at for key, at in self._known.items() if key in keys}

    def _new(self, runs: Iterable[RunRecord]) -> Iterator[RunRecord]:
        for run in runs:
            key = run.uuid, run.job_id
            if self._known.get(key, 0) == run.ended_ns:
                continue
            self._known[key] = run.ended_ns
            if run.status == RUNNING:
                self._open[run.uuid] = run
            else:
                self._open.pop(run.uuid, None)
            yield run


def _by_id(store: RunStore, uuid: str) -> list[RunRecord]:
    return [run for run in store.find(uuid) if run.uuid == uuid]


def _print_lines(where: Console, runs: Sequence[RunRecord]) -> None:
    now_ns = time.time_ns()
    for run in runs:
        where.print(run_line(where, run, now_ns), soft_wrap=True)
