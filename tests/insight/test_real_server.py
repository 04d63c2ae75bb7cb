"""A real InfluxDB that is away for a day, a dead host and a power cut: what is found, and how often it is told."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.delivery.expected_rows import row_of
from otel_job_measure.errors import StoreError
from otel_job_measure.expectations.expectation import Expectation, ExpectedJob, JobId, Version
from otel_job_measure.insight import checker_memory
from otel_job_measure.insight.check import Checked
from otel_job_measure.insight.check_rows import new_rows
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.look import look
from otel_job_measure.insight.notify.look import look_in_vain, look_of
from otel_job_measure.insight.notify.memory import Memory
from otel_job_measure.insight.notify.notifier import Notifier
from otel_job_measure.names import EVENTS, SENDERS
from otel_job_measure.points.monitor import Event, Sender
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.insight.notify.test_notifier import Ops
from tests.support.influx import InfluxServer
from tests.support.uncovered import uncovered

pytestmark = pytest.mark.timeout(600)  # on a busy machine

NS: Final = 10**9
HOUR_NS: Final = 3600 * NS
MIN_NS: Final = 60 * NS
T0: Final = (time.time_ns() // HOUR_NS - 27) * HOUR_NS
"""A full hour, more than a day ago."""
HOURS: Final = range(-2, 26)
HOURLY: Final = Expectation(schedule="0 * * * *", timezone="UTC")
TAGS: Final = DefaultTags(datacenter=None, project=None, stage=None, more=())


class _Checker:
    """Looks at a server and tells, each time as a new process would; the server gets the events."""

    def __init__(self, influx: InfluxServer, bucket: str, folder: Path) -> None:
        self._influx, self._bucket, self._folder = influx, bucket, folder
        self._settings = Settings(**influx.arguments(bucket), ship=False)
        self.ops = Ops()

    def look(self, now_ns: int) -> Checked | None:
        """Returns what is found; None if the server does not answer."""
        clock = ManualClock()
        clock.wall = now_ns
        targets = [self.ops.target]
        notifier = Notifier(Memory(self._folder), targets, lambda _: targets, clock=clock)
        store = InfluxStore(self._settings)
        try:
            found = look(store, complete_until_ns=None, folder=self._folder, remembers=True, clock=clock)
        except StoreError:
            finding = checker_memory.read(self._folder).unanswered(now_ns)
            if finding is not None:
                notifier.tell(look_in_vain(finding))
            return None
        events = [line_of(row) for row in new_rows(found, store) if isinstance(row, Event)]
        if events:
            self._influx.write(b"".join(events), self._bucket)
        notifier.tell(look_of(found, store, lambda _: True))
        return found


def _states(found: Checked | None) -> Counter[str]:
    assert found is not None
    return Counter(each.state.name for each in found.judgements)


def _expected(job: str, host: str | None = None) -> bytes:
    limits = HOURLY if host is None else Expectation(schedule="0 * * * *", timezone="UTC", scope="host")
    first_ns = T0 - 2 * HOUR_NS
    said = ExpectedJob(
        job=JobId(job), source="code", host=host, first_seen_ns=first_ns, versions=(Version(first_ns, limits),)
    )
    return line_of(row_of(said, 0))


def _run(job: str, hour: int, host: str) -> bytes:
    """Returns the rows of a run that began five seconds after a full hour."""
    began_ns = T0 + hour * HOUR_NS + 5 * NS
    uuid = f"{job.replace(' ', '')}h{hour + 2:02}".ljust(12, "2")[:12]
    ending = Ending(uuid=uuid, outcome=Outcome(), end_ns=began_ns + 10 * NS, duration_s=10.0, host=host)
    return start_line(Series(job, TAGS), uuid, began_ns) + ending_lines(
        Series(job, TAGS), ending, run_row=True, error_message=False
    )


def _word(host: str, at_ns: int, complete_ns: int | None = None, pending: int = 0) -> bytes:
    complete_until_ns = at_ns if complete_ns is None else complete_ns
    return line_of(Sender(host=host, at_ns=at_ns, complete_until_ns=complete_until_ns, pending=pending, left=False))


def _missed(influx: InfluxServer, bucket: str) -> list[tuple[str, int]]:
    rows = [row for row in influx.lines(bucket) if row.measurement == EVENTS and row.tags["event"] == "missed"]
    return sorted((row.tags["job"], row.time_ns) for row in rows)


def test_a_day_without_the_server_is_one_warning_and_then_each_true_miss_once(
    influx: InfluxServer, bucket: str, tmp_path: Path
) -> None:
    """300 jobs on two hosts: nothing false is told while it is away, while the hosts catch up, or afterwards."""
    jobs = [f"job {number:03}" for number in range(300)]
    truly = sorted([*((job, 7) for job in jobs[:5]), *((job, hour) for job in jobs[7:10] for hour in (22, 23, 24))])

    def rows(hours: Iterable[int]) -> bytes:
        ran = ((n, job, hour) for n, job in enumerate(jobs) for hour in hours if (job, hour) not in truly)
        return b"".join(_run(job, hour, f"web-{n % 2}") for n, job, hour in ran)

    both = "web-0", "web-1"
    influx.write(b"".join(map(_expected, jobs)) + rows(range(-2, 1)), bucket)
    influx.write(b"".join(_word(host, T0 + 10 * MIN_NS) for host in both), bucket)
    checker = _Checker(influx, bucket, tmp_path)
    assert _states(checker.look(T0 + 10 * MIN_NS + 10 * NS)) == {"ok": 300}
    with influx.stopped():
        for number in range(1, 17):
            assert checker.look(T0 + number * 90 * MIN_NS) is None
    [warning] = checker.ops.subjects
    assert "unknown" in warning
    back_ns = T0 + 24 * HOUR_NS + 20 * MIN_NS
    influx.write(b"".join(_word(host, back_ns, T0 + 9 * HOUR_NS, pending=9) for host in both), bucket)
    influx.write(rows(range(1, 9)), bucket)
    assert _states(checker.look(back_ns + 30 * NS))["missed"] == 0
    influx.write(rows(range(9, 25)), bucket)
    done_ns = back_ns + 10 * MIN_NS
    influx.write(b"".join(_word(host, done_ns) for host in both), bucket)
    assert _states(checker.look(done_ns + 10 * NS)) == {"ok": 297, "missed": 3}
    assert _states(checker.look(done_ns + 70 * NS)) == {"ok": 297, "missed": 3}
    assert _missed(influx, bucket) == [(job, T0 + hour * HOUR_NS) for job, hour in truly]
    assert [each for each in checker.ops.subjects if "CRITICAL" in each] == [
        f"[CRITICAL] {job} missed" for job in jobs[7:10]
    ]


def test_a_dead_host_with_300_jobs_is_one_message(influx: InfluxServer, bucket: str, tmp_path: Path) -> None:
    """So is a dead scheduler on a host whose sender lives; another host lives. When jobs run again, that is one too."""
    jobs = [f"job {number:03}" for number in range(300)]
    ran = b"".join(_run(job, hour, "web-0") for job in jobs for hour in (-2, -1, 0))
    influx.write(b"".join(_expected(job, "web-0") for job in jobs) + ran, bucket)
    influx.write(_word("web-0", T0 + 10 * MIN_NS) + _word("web-1", T0 + 10 * MIN_NS), bucket)
    checker = _Checker(influx, bucket, tmp_path)
    assert _states(checker.look(T0 + 10 * MIN_NS + 10 * NS)) == {"ok": 300}
    for minutes in range(15, 80, 9):  # a checker that does not look for ten minutes would wait for the hosts
        now_ns = T0 + minutes * MIN_NS
        influx.write(_word("web-1", now_ns - 10 * NS), bucket)
        found = checker.look(now_ns)
        assert found is not None
        assert [(about.host, about.finding.name) for about in found.abouts] == [("web-0", "host silent")]
        assert not any(finding.level for each in found.judgements for finding in found.told(each))
    assert checker.ops.subjects == ["[CRITICAL] web-0 host silent"]
    back_ns = T0 + 84 * MIN_NS
    influx.write(_word("web-0", back_ns) + _word("web-1", back_ns), bucket)
    assert _states(checker.look(back_ns + 10 * NS)) == {"missed": 300}
    assert len(checker.ops.subjects) == 1  # its sender is back, and its scheduler is not
    runs_ns = T0 + 2 * HOUR_NS + 3 * MIN_NS
    influx.write(b"".join(_run(job, 2, "web-0") for job in jobs) + _word("web-0", runs_ns), bucket)
    influx.write(_word("web-1", runs_ns), bucket)
    assert _states(checker.look(runs_ns + 10 * NS)) == {"ok": 300}
    assert checker.ops.subjects[1:] == ["[OK] web-0 host silent: over"]


BEGUN: Final = """
import sys, time
from otel_job_measure import JobMeasure
measure = JobMeasure()
if sys.argv[1] == "good":
    with measure.run("nightly"):
        pass
    measure.close()
else:
    handle = measure.start("nightly", key="x")
    assert measure.flush(60)
    print(handle.start_ns, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("has_run_before", [True, False])
def test_a_power_cut_after_a_start_is_silent_within_four_minutes(
    influx: InfluxServer, bucket: str, tmp_path: Path, *, has_run_before: bool
) -> None:
    """The machine and its disk are gone, and nothing but the server knows of the run, even if it was the first one."""
    environ = uncovered() | influx.variables(bucket) | {"OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path / "gone")}
    environ["OTEL_JOB_MEASURE_HEARTBEAT"] = "4s"
    if has_run_before:
        subprocess.run([sys.executable, "-c", BEGUN, "good"], env=environ, check=True, timeout=300)
    command = [sys.executable, "-c", BEGUN, "cut"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        began_ns = int(process.stdout.readline())
        while not any(row.measurement == SENDERS for row in influx.all_lines(bucket)):
            pass  # its first word comes within seconds
        os.kill(process.pid, signal.SIGKILL)
    shutil.rmtree(tmp_path / "gone")
    checker = _Checker(influx, bucket, tmp_path / "elsewhere")
    assert _states(checker.look(began_ns + 170 * NS)) == {"running": 1}
    assert _states(checker.look(began_ns + 200 * NS)) == {"silent": 1}
    assert checker.ops.subjects == ["[CRITICAL] nightly silent"]
