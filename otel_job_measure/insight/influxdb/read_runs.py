"""The runs that rows tell of, taken by column: the same as `Batch` makes of single rows, in a third of the time."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.history.run_record import OLD_ROW, OUTCOMES, RUN_ROW, Key, Place, Run, key_of, right
from otel_job_measure.insight.influxdb.ask import Table
from otel_job_measure.points.fields import RUN_FIELDS
from otel_job_measure.points.line_protocol import FieldValue
from otel_job_measure.points.outcome import Ending, Outcome

_KINDS: Final = {each.name: each.kind for each in RUN_FIELDS}
_NAMES: Final = {each.column: each.name for each in RUN_FIELDS}
_TYPES: Final = {"string": str, "float": float, "integer": int}
_VALUES: Final = Ending._fields[3:]
"""What an ending has beside its run, outcome and time."""

_Column = Mapping[int, FieldValue]


class ReadRuns:
    """The runs that some rows tell of; it is as long as there were rows."""

    def __init__(self, tables: Iterable[Table] = ()) -> None:
        self.runs: dict[Place, Run] = {}
        self._rows = 0
        for table in tables:
            self._take(table)

    def __len__(self) -> int:
        return self._rows

    def add_to(self, runs: dict[Place, Run]) -> None:
        """Adds the runs to others, of which some may be the same."""
        for place, run in self.runs.items():
            known = runs.setdefault(place, run)
            if known is not run:
                known.take(run)

    def _take(self, table: Table) -> None:
        uuids = _right(table.columns, names.FIELD_UUID)
        self._rows += len(uuids)
        if not table.tags.get(names.TAG_JOB):
            return
        key = key_of(table.tags)
        if table.measurement == names.POINTS:
            self._take_points(key, uuids, table.columns.get(names.FIELD_STATUS, {}))
        elif table.measurement == names.RUNS:
            status = table.tags.get(names.TAG_STATUS)
            if status in OUTCOMES:
                reason = None if status == names.STATUS_END else table.tags.get(names.TAG_REASON, "")
                self._take_endings(key, uuids, reason, table.columns)

    def _take_points(self, key: Key, uuids: Mapping[int, Any], statuses: _Column) -> None:
        for time_ns, uuid in uuids.items():
            if not uuid:
                continue
            status = statuses.get(time_ns)
            if status == names.STATUS_START:
                self._run(uuid, key).start(time_ns)
            elif (outcome := OUTCOMES.get(status)) is not None:
                self._run(uuid, key).end(Ending(uuid, outcome, time_ns), OLD_ROW)

    def _take_endings(
        self, key: Key, uuids: Mapping[int, Any], reason: str | None, columns: Mapping[str, _Column]
    ) -> None:
        plain = Outcome(reason)
        values = [_listed(columns, name, uuids) for name in (names.FIELD_ERROR_TYPE, names.FIELD_ERROR_MESSAGE)]
        values += [_listed(columns, _NAMES[column], uuids) for column in _VALUES]
        for (time_ns, uuid), error_type, message, *rest in zip(uuids.items(), *values, strict=False):
            if uuid:
                has_more = error_type is not None or message is not None
                outcome = Outcome(reason, error_type, message) if has_more else plain
                self._run(uuid, key).end(Ending(uuid, outcome, time_ns, *rest), RUN_ROW)

    def _run(self, uuid: str, key: Key) -> Run:
        place = uuid, key
        found = self.runs.get(place)
        if found is None:
            found = self.runs[place] = Run(uuid, key)
        return found


def _listed(columns: Mapping[str, _Column], name: str, times: Iterable[int]) -> Iterator[Any]:
    """Returns the values of a column at some times; None where it has none."""
    column = _right(columns, name)
    return map(column.get, times) if column else repeat(None)


def _right(columns: Mapping[str, _Column], name: str) -> Mapping[int, Any]:
    """Returns a column without values of a wrong type."""
    column, kind = columns.get(name, {}), _KINDS[name]
    if set(map(type, column.values())) <= {_TYPES[kind]}:
        return column
    found = ((at, right(value, kind)) for at, value in column.items())
    return {at: value for at, value in found if value is not None}
