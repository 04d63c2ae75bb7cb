"""What should happen, as rows: on change and daily, once for a state directory."""

from collections.abc import Sequence
from pathlib import Path

from otel_job_measure.delivery.expected_rows import ExpectedRows
from otel_job_measure.expectations.encoding import decode
from otel_job_measure.expectations.expectation import Expectation, JobId
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.points.monitor import Expected
from otel_job_measure.points.monitor_rows import row_of
from otel_job_measure.testing import ManualClock

_DAY = 86_400.0
_DAY_NS = 86_400_000_000_000
NIGHTLY, HOURLY = JobId("nightly", "billing"), JobId("hourly", "billing")


class _Sources:
    """A state directory in which a service says what should happen."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store = ExpectedStore(folder, self.clock)

    def say(self, origin: str = "billing", **limits: dict[str, object]) -> None:
        """Declares jobs by their names."""
        jobs = {"nightly": NIGHTLY, "hourly": HOURLY}
        said = tuple(Statement(job=jobs[name], expectation=Expectation(**limit)) for name, limit in limits.items())  # type: ignore[arg-type]
        assert self.store.note(Snapshot(source="code", origin=origin, statements=said, is_whole=False))

    def rows(self, destination: str = "d") -> ExpectedRows:
        return ExpectedRows(self.store, destination, self.clock)


def told(rows: ExpectedRows) -> list[Expected]:
    """Returns what is due, and notes it as told."""
    found = _read(rows.due())
    rows.note_told()
    return found


def _read(lines: Sequence[bytes]) -> list[Expected]:
    found = [row_of(parse(line)) for line in lines]
    assert all(isinstance(row, Expected) for row in found)
    return [row for row in found if isinstance(row, Expected)]


def test_a_declared_job_is_told_once(tmp_path: Path) -> None:
    """With a time just before its version and its whole expectation; another sender of the directory is silent."""
    sources = _Sources(tmp_path)
    sources.say(nightly={"schedule": "5 2 * * *", "timezone": "Europe/Berlin"})
    first, second = sources.rows(), sources.rows()
    (row,) = told(first)
    assert (row.job, row.source, row.version) == (NIGHTLY, "code", 1)
    assert 0 <= sources.clock.wall_ns() - row.at_ns < 60 * 10**9
    assert decode(row.text) == sources.store.jobs()[0]
    assert first.due() == second.due() == sources.rows().due() == []


def test_several_senders_write_identical_bytes(tmp_path: Path) -> None:
    """Two that come at the same moment tell the same row, which overwrites itself."""
    sources = _Sources(tmp_path)
    sources.say(nightly={"max_runtime_s": 60.0})
    assert sources.rows().due() == sources.rows().due() != []


def test_only_what_has_changed_is_told_again(tmp_path: Path) -> None:
    """A new version of one job, and not the others of its source."""
    sources = _Sources(tmp_path)
    sources.say(nightly={"max_runtime_s": 60.0}, hourly={"max_runtime_s": 5.0})
    before = {row.job: row for row in told(sources.rows())}
    assert before.keys() == {NIGHTLY, HOURLY}
    sources.clock.advance(1)
    sources.say(nightly={"max_runtime_s": 90.0}, hourly={"max_runtime_s": 5.0})
    (row,) = told(sources.rows())
    assert (row.job, row.version, row.at_ns - before[NIGHTLY].at_ns) == (NIGHTLY, 2, 10**9)


def test_one_job_on_many_hosts_is_a_row_for_each(tmp_path: Path) -> None:
    """A file states all of them at one time, and InfluxDB keeps one row of a job at a time."""
    sources = _Sources(tmp_path)
    limits = Expectation(max_runtime_s=60.0, scope="host")
    said = [Statement(job=NIGHTLY, expectation=limits, host=f"web{number}") for number in range(500)]
    sources.store.note(Snapshot(source="file", origin="jobs.toml", statements=said))
    assert len({row.at_ns for row in told(sources.rows())}) == 500


def test_everything_is_told_daily(tmp_path: Path) -> None:
    """At a fixed time in the first hour of the day, which differs between jobs and origins."""
    sources = _Sources(tmp_path)
    sources.say(nightly={"max_runtime_s": 60.0}, hourly={"max_runtime_s": 5.0})
    sources.say("web", nightly={"max_runtime_s": 60.0})
    rows = sources.rows()
    told(rows)
    sources.clock.advance(2 * _DAY)
    found = told(rows)
    midnight_ns = sources.clock.wall_ns() // _DAY_NS * _DAY_NS
    assert len({row.at_ns for row in found}) == 3
    assert all(0 <= row.at_ns - midnight_ns < 3600 * 10**9 for row in found)
    assert rows.due() == []


def test_what_could_not_be_told_comes_again(tmp_path: Path) -> None:
    """Only an accepted row counts as told."""
    sources = _Sources(tmp_path)
    sources.say(nightly={"max_runtime_s": 60.0})
    rows = sources.rows()
    assert rows.due() == rows.due() != []


def test_each_destination_is_told(tmp_path: Path) -> None:
    """Two servers of one state directory get the same rows."""
    sources = _Sources(tmp_path)
    sources.say(nightly={"max_runtime_s": 60.0})
    assert len(told(sources.rows("d"))) == len(told(sources.rows("e"))) == 1


def test_without_expectations_there_is_nothing_to_do(tmp_path: Path) -> None:
    """Nothing is made, and no mark."""
    rows = _Sources(tmp_path / "state").rows()
    assert rows.due() == []
    assert not (tmp_path / "state").exists()


def test_a_damaged_mark_costs_a_repetition(tmp_path: Path) -> None:
    """Rows that are told twice overwrite themselves."""
    sources = _Sources(tmp_path)
    sources.say(nightly={"max_runtime_s": 60.0})
    before = sources.rows().due()
    told(sources.rows())
    day = sources.clock.wall_ns() // _DAY_NS
    for text in (
        "{",
        f'{{"format": 1, "rows": [1], "day": {day}}}',
        '{"format": 1, "rows": 5, "day": "x"}',
        '{"format": 1, "rows": [1]}',
    ):
        sources.store.folder.joinpath("told-d").write_text(text)
        assert sources.rows().due() == before
