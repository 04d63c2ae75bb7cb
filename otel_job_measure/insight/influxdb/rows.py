"""Rows of runs: those of a time, and those of certain runs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from otel_job_measure import names
from otel_job_measure.history.run_record import Place, Run, key_of
from otel_job_measure.insight.influxdb.ask import FIRST_NS, LAST_NS, Ask, Language, Table
from otel_job_measure.insight.influxdb.earlier import Earlier
from otel_job_measure.insight.influxdb.later import Later
from otel_job_measure.insight.influxdb.read_runs import ReadRuns
from otel_job_measure.insight.influxdb.windows import EVER, Window, oldest_first
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.points.fields import RUN_FIELDS
from otel_job_measure.points.line_protocol import Point

ALL_FIELDS: Final = tuple(each.name for each in RUN_FIELDS)
COUNTED_FIELDS: Final = (names.FIELD_DURATION, names.FIELD_HOST)
"""What has to be known of a run to count it, besides its id."""
_MEASUREMENTS: Final = (names.POINTS, names.RUNS)
_AHEAD: Final = 3
"""So many windows are read for the endings of some runs, before all that is later is read for all runs."""
_SLACK_NS: Final = 60 * 10**9
_MANY: Final = 100
_FEW: Final = 20
"""So many runs are looked for by their ids; for more of them it takes longer than to read all rows."""


class Rows:
    """The rows of runs of some jobs.

    Args:
        language: How the server is asked.
        wanted: Whose runs; only job, project and stage count.
        fields: The fields of the run rows that are needed.
        uuid_prefix: How the ids of the runs begin.
    """

    def __init__(
        self,
        language: Language,
        wanted: Wanted,
        fields: Sequence[str] = ALL_FIELDS,
        *,
        uuid_prefix: str | None = None,
    ) -> None:
        self._language = language
        self._uuid_prefix = uuid_prefix
        self._earlier: Earlier | None = None
        self._later: Later | None = None
        tags = {names.TAG_PROJECT: wanted.project, names.TAG_STAGE: wanted.stage}
        self._job_like = wanted.pattern
        if self._job_like is None:
            tags[names.TAG_JOB] = wanted.job
        self._tags = {tag: (value,) for tag, value in tags.items() if value is not None}
        self._fields = tuple(dict.fromkeys((names.FIELD_STATUS, names.FIELD_UUID, *fields)))

    def ask(
        self,
        measurements: tuple[str, ...] = _MEASUREMENTS,
        window: Window = EVER,
        *,
        fields: tuple[str, ...] | None = None,
        jobs: Iterable[str] | None = None,
        texts: tuple[str, tuple[str, ...]] | None = None,
    ) -> Ask:
        """Returns what to ask for: rows of these jobs in a time, and more conditions.

        Rows of other jobs come too if there are many `jobs`: the server compares each series with each of their names.
        """
        some = None if jobs is None else tuple(sorted(set(jobs)))
        of_jobs = {} if some is None or len(some) > _MANY else {names.TAG_JOB: some}
        return Ask(
            measurements=measurements,
            fields=self._fields if fields is None else fields,
            since_ns=window.since_ns,
            until_ns=window.until_ns,
            tags={**self._tags, **of_jobs},
            job_like=self._job_like,
            texts=texts,
        )

    def between(self, window: Window, jobs: Iterable[str] | None = None) -> ReadRuns:
        """Returns what the rows of a time tell of runs."""
        ask = self.ask(window=window, jobs=jobs)
        return ReadRuns(self._language.tables(replace(ask, uuid_prefix=self._uuid_prefix)))

    def of_runs(
        self,
        runs: Iterable[Place],
        window: Window,
        measurements: tuple[str, ...] = _MEASUREMENTS,
        fields: tuple[str, ...] | None = None,
    ) -> Iterator[Table]:
        """Yields the rows of certain runs, and perhaps others; each query is about a few runs."""
        rest = sorted(runs)
        while rest and window.since_ns < window.until_ns:
            few, rest = rest[:_FEW], rest[_FEW:]
            uuids = tuple(sorted({uuid for uuid, _ in few}))
            jobs = [key.job for _, key in few]
            texts = (names.FIELD_UUID, uuids)
            yield from self._language.tables(self.ask(measurements, window, fields=fields, jobs=jobs, texts=texts))

    def add_starts(self, runs: Mapping[Place, Run], before_ns: int) -> None:
        """Looks for the starts of runs before a time; of many runs, the time is read once for all calls."""
        if self._earlier is None or before_ns > self._earlier.before_ns:
            self._earlier = Earlier(self.between, before_ns, _may_end)
        missing = self._earlier.add_to(runs, _FEW)
        before_ns = min(before_ns, self._earlier.read_ns)
        # Most of the few that are left began where their durations say.
        early_ns = min(before_ns, min(map(_likely_ns, missing.values()), default=before_ns))
        for window in (Window(early_ns, before_ns), Window(FIRST_NS, early_ns)):
            missing = _rest(missing, ReadRuns(self.of_runs(missing, window)), _lacks_start)

    def add_endings(self, runs: Mapping[Place, Run], since_ns: int) -> None:
        """Looks for the endings of runs from a time on; a lost run may have another one.

        Most runs end soon. For those that do not, the later time is read as a whole, once for all further calls, whose
        times are not before the one of that call.
        """
        missing = {place: run for place, run in runs.items() if _may_end(run)}
        windows = oldest_first(lambda window: self.between(window, _jobs(missing)), Window(since_ns, LAST_NS))
        begin_ns, ahead = since_ns, 0
        while self._later is None and len(missing) > _FEW and (found := next(windows, None)) is not None:
            since_ns, ahead = found[0].until_ns, ahead + 1
            missing = _rest(missing, found[1], _may_end)
            if ahead == _AHEAD and len(missing) > _FEW and since_ns < LAST_NS:
                self._later = Later(self.between, begin_ns)
        if self._later is not None and missing:
            self._later.add_to(missing, since_ns)
        else:
            _rest(missing, ReadRuns(self.of_runs(missing, Window(since_ns, LAST_NS))), _may_end)


def place_of(point: Point) -> Place | None:
    """Returns which run a row is about."""
    uuid = point.fields.get(names.FIELD_UUID)
    return (uuid, key_of(point.tags)) if isinstance(uuid, str) else None


def _jobs(runs: Iterable[Place]) -> set[str]:
    return {key.job for _, key in runs}


def _rest(runs: Mapping[Place, Run], read: ReadRuns, lacks: Callable[[Run], bool]) -> dict[Place, Run]:
    """Adds to runs what was read of them, and returns those that still lack something."""
    for place in read.runs.keys() & runs.keys():
        runs[place].take(read.runs[place])
    return {place: run for place, run in runs.items() if lacks(run)}


def _lacks_start(run: Run) -> bool:
    return run.started_ns is None


def _may_end(run: Run) -> bool:
    """Returns whether a later row may tell of a better ending than the present one."""
    return not run.endings or run.truest().ending.outcome.reason == names.REASON_LOST


def _likely_ns(run: Run) -> int:
    """Returns a time that most probably is before the run's start."""
    ending = run.truest().ending
    return max(FIRST_NS, ending.end_ns - int((ending.duration_s or 0.0) * 1e9) - _SLACK_NS)
