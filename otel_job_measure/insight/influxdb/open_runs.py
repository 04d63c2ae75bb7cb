"""What runs now, from signs of life, without reading the runs that ended.

A run that is open for over a minute has a row of `scheduling-job-alive` each minute. So these are open: the runs with a
sign of life in the last minutes, the runs that began in the last minutes, and the runs of the last day whose last sign
of life is older and that have no ending, because their host is gone.
"""

from typing import Final

from otel_job_measure import names
from otel_job_measure.history.run_record import Batch, Place, Run, record_of
from otel_job_measure.insight.influxdb.ask import LAST_NS, Ask, Language
from otel_job_measure.insight.influxdb.rows import Rows, place_of
from otel_job_measure.insight.influxdb.windows import Window
from otel_job_measure.insight.run_store import OpenRun, Wanted
from otel_job_measure.points.line_protocol import Point

MINUTE_NS: Final = 60 * 10**9
LATELY_NS: Final = 6 * MINUTE_NS
"""How far back signs of life and starts are read: some intervals, and the time that a row needs to arrive."""
SILENT_NS: Final = 24 * 60 * MINUTE_NS
"""How far back the last sign of life of a run without an ending can be."""
_UUID: Final = (names.FIELD_UUID,)
_ALIVE: Final = (names.FIELD_AGE, names.FIELD_HOST, names.FIELD_INTERVAL, names.FIELD_UUID)


def has_signs(language: Language, now_ns: int) -> bool:
    """Returns whether what sends to the bucket sends signs of life: short runs have none, but senders speak too."""
    asked = Ask(measurements=(names.ALIVE, names.SENDERS), since_ns=now_ns - SILENT_NS)
    return language.first_ns(asked) is not None


class OpenRuns:
    """Finds the open runs of a bucket that has signs of life.

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
        self._alive: dict[Place, Point] = {}

    def find(self) -> list[OpenRun]:
        """Returns the open runs, in any order."""
        runs = self._read_lately()
        runs |= self._silent(runs)
        return [self._open(place, run) for place, run in runs.items() if not run.endings]

    def _read_lately(self) -> dict[Place, Run]:
        """Returns the runs of the last minutes, the ended ones too."""
        batch = Batch()
        measurements = (names.ALIVE, names.POINTS, names.RUNS)
        for point in self._language.rows(self._rows.ask(measurements, self._lately)):
            batch.take(point)
            self._note(point)
        for place in self._alive:
            batch.runs.setdefault(place, Run(*place))
        return batch.runs

    def _silent(self, known: dict[Place, Run]) -> dict[Place, Run]:
        """Returns the runs that were alive in the last day, are not any more, and perhaps did not end."""
        alive = self._language.different(self._rows.ask((names.ALIVE,), self._before, fields=_UUID))
        silent = {place for point in alive if (place := place_of(point)) is not None} - known.keys()
        if silent:
            # Run rows are enough for most of them; they are not kept, however many there are.
            jobs = {key.job for _, key in silent}
            ended = self._rows.ask((names.RUNS,), self._before, fields=_UUID, jobs=jobs)
            silent.difference_update(map(place_of, self._language.texts(ended)))
        for point in self._rows.of_runs(silent, self._before, (names.ALIVE,), _ALIVE):
            self._note(point)
        runs = {place: Run(*place) for place in silent & self._alive.keys()}
        self._rows.add_endings(runs, self._before.since_ns)
        return runs

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


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
