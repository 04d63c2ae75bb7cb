"""Rows that a store no longer keeps make nothing missed, and each job's last run and success stay in a history."""

import time
from pathlib import Path
from typing import Final

from otel_job_measure.expectations.expectation import Expectation, ExpectedJob, JobId, Version
from otel_job_measure.history.history import History
from otel_job_measure.insight.absence import Evidence, Known, Span
from otel_job_measure.insight.check import Checked, checked
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import ALL
from otel_job_measure.points.monitor import Sender
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.history.support import chunk
from tests.insight.contract import FAILED, whole
from tests.insight.made import DAY, HOUR, at, expected, judgement, of_name, run, sender, server
from tests.support.influx import InfluxServer

SECOND: Final = 10**9
DAY_S: Final = 86_400
JOB: Final = JobId("hourly", "billing")


def _hourly(job: JobId, first_seen_ns: int, schedule: str = "0 * * * *") -> ExpectedJob:
    version = Version(first_seen_ns, Expectation(schedule=schedule, timezone="UTC"))
    return ExpectedJob(job=job, source="code", first_seen_ns=first_seen_ns, versions=(version,))


def _states(found: Checked) -> dict[str, str]:
    return {each.job.job: each.state.name for each in found.judgements}


def test_a_history_of_a_day_makes_nothing_missed(tmp_path: Path) -> None:
    """Of the two days that `check` looks at, one is deleted; a job that stopped keeps its last run and success."""
    clock = ManualClock(wall=at(-4 * DAY))
    history = History(tmp_path / "history.db", retention_s=DAY_S, clock=clock, pause=clock.advance)
    store, stopped = HistoryStore(history, clock), JobId("stopped", "billing")
    history.fold([chunk(whole("s1", clock.wall, stopped) + whole("s2", clock.wall + SECOND, stopped, outcome=FAILED))])
    for hour in range(-4 * 24, 1):
        clock.advance((at(hour * HOUR + 60) - clock.wall) / SECOND)
        history.fold([chunk(whole(f"h{hour}", at(hour * HOUR + 5), JOB), f"local-{hour}.lp")])
    evidence = Evidence(now_ns=clock.wall, complete_until_ns=clock.wall)
    found = checked(store, evidence, here=[_hourly(JOB, at(-4 * DAY - 60))])
    assert [event for each in found.judgements for event in each.events] == []
    assert _states(found) == {"hourly": "ok"}
    assert store.count(ALL) < 30
    last = next(each for each in store.last_runs(ALL) if each.job == stopped)
    assert last.success is not None
    assert (last.run.uuid, last.success.uuid) == ("s2", "s1")


def test_a_bucket_of_a_day_makes_nothing_missed(real_influx: InfluxServer) -> None:
    """What ran before is unknown there: a job that is due each week is neither missed nor fine."""
    bucket = real_influx.new_bucket(DAY_S)
    # The row of 23 hours ago has at least a minute until the server refuses it: in the last one, it is the next hour.
    hour = (time.time_ns() // SECOND + 60) // 3600
    now_ns = max(time.time_ns(), (hour * 3600 + 10) * SECOND)
    weekly, first_ns = JobId("weekly", "billing"), now_ns - 10 * DAY_S * SECOND
    day = time.gmtime((hour - 72) * 3600)
    due = f"0 {day.tm_hour} * * {(day.tm_wday + 1) % 7}"
    rows = [whole(f"h{back}", (hour - back) * 3600 * SECOND + 5, JOB) for back in range(24)]
    rows.append(line_of(Sender(host="web-1", at_ns=now_ns, complete_until_ns=now_ns, pending=0, left=False)))
    real_influx.write(b"".join(rows), bucket)
    store = InfluxStore(Settings(**real_influx.arguments(bucket), ship=False))
    assert store.keeps_s() == DAY_S
    here = [_hourly(JOB, first_ns), _hourly(weekly, first_ns, due)]
    found = checked(store, Evidence(now_ns=now_ns + SECOND), here=here)
    assert [event for each in found.judgements for event in each.events] == []
    assert _states(found) == {"hourly": "ok", "weekly": "unknown"}


def test_a_bucket_that_keeps_rows_for_ever_says_so(real_influx: InfluxServer) -> None:
    """Nothing is hidden in it."""
    store = InfluxStore(Settings(**real_influx.arguments(real_influx.new_bucket()), ship=False))
    assert store.keeps_s() is None


def test_a_success_that_is_no_longer_kept_is_not_stale() -> None:
    """Unless no success is in the whole time that is kept, and that is longer than `max_age`."""
    kept = server(0, sender("a", -5), kept_from_ns=at(-DAY))
    assert kept.absence(Span(at(-2 * DAY), at(-DAY)), ()) is Known.UNKNOWN
    two_days = judgement(kept, expected(max_age_s=2 * DAY))
    assert two_days.state.name == "unknown"
    an_hour = judgement(kept, expected(max_age_s=HOUR))
    assert of_name(an_hour, "stale").detail == "no success is known"
    assert judgement(kept, expected(max_age_s=2 * DAY), run(-HOUR, -HOUR + 5)).state.name == "ok"
