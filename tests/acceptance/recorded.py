"""The runs of a bucket, put together from their rows."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from otel_job_measure import names
from otel_job_measure.points.outcome import Outcome
from tests.support.influx import InfluxServer, Row
from tests.support.processes import until

_SHOWN: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The rows of one run; None where InfluxDB does not have it."""

    start: Row | None = None
    end: Row | None = None
    run: Row | None = None

    @property
    def rows(self) -> tuple[Row, Row, Row]:
        """Returns the start, the end and the run row of a run that has all three."""
        assert self.start is not None
        assert self.end is not None
        assert self.run is not None
        return self.start, self.end, self.run

    @property
    def job(self) -> str:
        """Returns the name of the job, on which all rows agree."""
        [name] = {row.tags[names.TAG_JOB] for row in (self.start, self.end, self.run) if row is not None}
        return name

    @property
    def outcome(self) -> str:
        """Returns how the run ended: `end`, the reason of its failure, `start` where it is open, else `incomplete`."""
        if self.end is None and self.run is None:
            return names.STATUS_START
        if None in (self.start, self.end, self.run):
            return "incomplete"
        _, end, run = self.rows
        status = run.tags[names.TAG_STATUS]
        assert end.fields[names.FIELD_STATUS] == status
        reason = run.tags.get(names.TAG_REASON)
        assert run.fields.get(names.FIELD_SUCCESS) == Outcome(reason).success
        return reason or status


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The runs that are in one bucket."""

    influx: InfluxServer
    bucket: str

    @property
    def variables(self) -> dict[str, str]:
        """Returns the variables that send a process's points there."""
        return self.influx.variables(self.bucket)

    def all(self) -> dict[str, Recorded]:
        """Returns the runs by uuid, in the order of their first rows; no run has two rows of a kind."""
        found: dict[str, dict[str, Row]] = {}
        for row in self.influx.lines(self.bucket):
            rows = found.setdefault(str(row.fields[names.FIELD_UUID]), {})
            kind = _kind(row)
            assert kind not in rows, f"a second row: {row} besides {rows[kind]}"
            rows[kind] = row
        return {uuid: Recorded(**rows) for uuid, rows in found.items()}

    def outcomes(self) -> dict[str, str]:
        """Returns how each run ended, by uuid."""
        return {uuid: run.outcome for uuid, run in self.all().items()}

    def become(self, expected: Mapping[str, str], when: str) -> None:
        """Waits until the runs have ended like this, and no other is there.

        Args:
            expected: How each run ended, by uuid.
            when: What has to have happened, for the failure where it doesn't.
        """
        found: dict[str, str] = {}

        def are_there() -> bool:
            with suppress(KeyError):  # a row that is just being written has only some of its fields
                found.clear()
                found.update(self.outcomes())
                return found == expected
            return False

        try:
            until(are_there, when)
        except AssertionError as never:
            missing = sorted(expected.items() - found.items())[:_SHOWN]
            others = sorted(found.items() - expected.items())[:_SHOWN]
            raise AssertionError(f"{never}; missing: {missing}, there instead: {others}") from None


def _kind(row: Row) -> str:
    if row.measurement == names.RUNS:
        return "run"
    assert row.measurement == names.POINTS
    return "start" if row.fields[names.FIELD_STATUS] == names.STATUS_START else "end"
