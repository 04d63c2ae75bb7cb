"""A bucket with only the rows of the JavaScript middleware answers as any other."""

from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import ALL, Wanted
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.support.influx import InfluxServer

_NOW_MS = 1_800_000_000_000
_MS = 1_000_000


def _row(job: str, uuid: str, status: str, ago_ms: int) -> str:
    return f'scheduling-job,job={job},project=p,stage=s status="{status}",uuid="{uuid}" {(_NOW_MS - ago_ms) * _MS}\n'


def test_old_rows_are_counted_and_what_they_lack_is_empty(real_influx: InfluxServer, real_bucket: str) -> None:
    """They have times in milliseconds, and neither hosts nor durations nor any row of the monitor."""
    rows = [_row("a", f"a{number}", "start", 600_000 * number) for number in range(1, 31)]
    rows += [_row("a", f"a{number}", "end", 600_000 * number - 1500) for number in range(1, 30)]
    rows += [_row("a", "a30", "failed", 600_000 * 30 - 1500)]
    rows += [_row("b", "b1", "start", 5000)]
    real_influx.write("".join(rows), real_bucket)
    store = InfluxStore(Settings(**real_influx.arguments(real_bucket)), ManualClock(wall=_NOW_MS * _MS))
    assert store.count(ALL) == 31
    assert store.count(Wanted(words=("failed",))) == 1
    assert store.count(Wanted(job="a")) == 30
    assert [found.uuid for found in store.latest(ALL, 2)] == ["b1", "a1"]
    assert [found.run.uuid for found in store.open_runs(ALL)] == ["b1"]
    assert list(store.expectations()) == []
