"""What runs now, from signs of life, without reading the runs that ended.

A run that is open for over a minute has a row of `scheduling-job-alive` each minute. These runs are found:

- those with a sign of life, or a start, in the last minutes;
- those without an ending whose last sign of life is at most `SILENT_NS` old, because their host is gone;
- those without an ending that gave the last sign of life of their job, if that is at most `WEEK_NS` old.

Not found are a run that ended in its first minute together with its host, and a silent run that is older than that
while others of its job were longer than a minute since.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from otel_job_measure import names
from otel_job_measure.history.run_record import Batch, Place, Run, record_of
from otel_job_measure.insight.influxdb.ask import FIRST_NS, LAST_NS, Ask, Language
from otel_job_measure.insight.influxdb.rows import Rows, place_of
from otel_job_measure.insight.influxdb.windows import Window
from otel_job_measure.insight.run_store import OpenRun, Wanted
from otel_job_measure.points.line_protocol import Point

MINUTE_NS: Final = 60 * 10**9
LATELY_NS: Final = 6 * MINUTE_NS
"""How far back signs of life and starts are read: some intervals, and the time that a row needs to arrive."""
SILENT_NS: Final = 180 * MINUTE_NS
"""How old the last sign of life of any run without an ending can be."""
WEEK_NS: Final = 7 * 24 * 60 * MINUTE_NS
"""How old the last sign of life of a job can be."""
_APART_NS: Final = 6 * 60 * MINUTE_NS
_UUID: Final = (names.FIELD_UUID,)
_ALIVE: Final = (names.FIELD_AGE, names.FIELD_HOST, names.FIELD_INTERVAL, names.FIELD_UUID)
_EITHER: Final = (names.ALIVE, names.SENDERS)


class OpenRuns:
    """Finds the open runs of a bucket.

    Args:
        language: How the server is asked.
        wanted: Whose runs; only job, project and stage count.
        now_ns: The time.
    """

    def __init__(self, language: Language, wanted: Wanted, now_ns: int) -> None:
        self._language = language
        self._rows = Rows(language, wanted, _ALIVE)
        self._lately = Window(now_ns - LATELY_NS, LAST_NS)
        self._before = Window(now_ns - SILENT_NS, now_ns - LATELY_NS)
        self._week = Window(now_ns - WEEK_NS, LAST_NS)
        self._signs: dict[Place, int] = {}
        """When the last sign of life of each job came, by its run."""
        self._alive: dict[Place, Point] = {}
        """The last sign of life of runs that may be open."""

    def find(self) -> list[OpenRun] | None:
        """Returns the open runs, in any order; None if nothing that writes to the bucket gives signs of life."""
        if not self._read_last_signs():
            return None
        lately = self._read_lately()
        runs = lately | self._silent(lately.keys())
        return [self._open(place, run) for place, run in runs.items() if not run.endings]

    def _read_last_signs(self) -> bool:
        """Reads each job's last sign of life; short runs give none, but what sends them says a word each minute."""
        rows = self._language.last_rows(self._rows.ask((names.ALIVE,), self._week, fields=_UUID))
        for point in rows:
            place = place_of(point)
            if place is not None:
                self._signs[place] = max(self._signs.get(place, FIRST_NS), point.time_ns or 0)
        since_ns = self._week.since_ns
        return bool(rows) or bool(self._language.last_rows(Ask(measurements=_EITHER, since_ns=since_ns)))

    def _read_lately(self) -> dict[Place, Run]:
        """Returns the runs of the last minutes, the ended ones too."""
        batch = Batch()
        # Without run rows, which are many series: each ending is also in the other measurement.
        for table in self._language.tables(self._rows.ask((names.ALIVE, names.POINTS), self._lately)):
            for point in table.points():
                batch.take(point)
                self._note(point)
        for place in self._alive:
            batch.runs.setdefault(place, Run(*place))
        return batch.runs

    def _silent(self, known: Collection[Place]) -> dict[Place, Run]:
        """Returns the runs that were alive, are not any more, and perhaps did not end."""
        alive = self._language.runs(self._rows.ask((names.ALIVE,), self._before, fields=_UUID))
        silent = {*alive, *self._signs}.difference(known)
        silent.difference_update(self._ended(silent))
        earliest_ns = min((self._signs.get(place, LAST_NS) for place in silent), default=LAST_NS)
        time = Window(min(earliest_ns, self._before.since_ns), self._before.until_ns)
        for table in self._rows.of_runs(silent, time, (names.ALIVE,), _ALIVE):
            for point in table.points():
                self._note(point)
        runs = {place: Run(*place) for place in silent & self._alive.keys()}
        since_ns = min((self._alive[place].time_ns or 0 for place in runs), default=0)
        self._rows.add_endings(runs, since_ns)
        return runs

    def _ended(self, runs: Collection[Place]) -> Iterator[Place]:
        """Yields most of the runs that ended: those with a run row in the last hours, or soon after a sign before."""
        old = {place: at for place in runs if (at := self._signs.get(place, LAST_NS)) < self._before.since_ns}
        lately = set(runs).difference(old)
        yield from self._with_run_row(lately, self._before)
        for near in _near(old):
            whole = Window(old[near[0]], old[near[-1]] + LATELY_NS)
            yield from self._with_run_row(near, whole)

    def _with_run_row(self, runs: Collection[Place], window: Window) -> Iterable[Place]:
        """Returns those of some runs, and perhaps others, that have a run row in a time."""
        if not runs:
            return ()
        jobs = {key.job for _, key in runs}
        asked = self._rows.ask((names.RUNS,), window, fields=_UUID, jobs=jobs)
        return self._language.runs(asked, {uuid for uuid, _ in runs})

    def _note(self, point: Point) -> None:
        """Keeps the last sign of life of a run."""
        place = place_of(point)
        if point.measurement == names.ALIVE and place is not None and point.time_ns is not None:
            known = self._alive.get(place)
            if known is None or (known.time_ns or 0) < point.time_ns:
                self._alive[place] = point

    def _open(self, place: Place, run: Run) -> OpenRun:
        alive = self._alive.get(place)
        if alive is None:
            return OpenRun(run=record_of(run), alive_ns=None, interval_s=None)
        at_ns, fields = alive.time_ns or 0, alive.fields
        if run.started_ns is None:
            run.start(at_ns - round(_number(fields.get(names.FIELD_AGE)) * 1e9))
        host = fields.get(names.FIELD_HOST)
        run.host = host if isinstance(host, str) else None
        interval_s = _number(fields.get(names.FIELD_INTERVAL))
        return OpenRun(run=record_of(run), alive_ns=at_ns, interval_s=interval_s)


def _near(signs: Mapping[Place, int]) -> Iterator[list[Place]]:
    """Yields runs in the order of their last signs of life, those without hours between them together."""
    near: list[Place] = []
    for place in sorted(signs, key=lambda each: signs[each]):
        if near and signs[place] - signs[near[-1]] > _APART_NS:
            yield near
            near = []
        near.append(place)
    if near:
        yield near


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
