"""What InfluxDB answers through the store: hostile names, missing rights, an absent server, the rows of the monitor."""

import dataclasses
import socket
from typing import Any

import pytest

from otel_job_measure import names
from otel_job_measure.errors import StoreError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import ALL, Wanted
from otel_job_measure.points.monitor import Alive, Event, Sender, State
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.points.outcome import Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.support.influx import InfluxServer

NOW_NS = 1_800_000_000_000_000_000
S = 1_000_000_000
HOSTILE = (
    '") |> drop(columns: ["job"]) //',
    '\'; DROP MEASUREMENT "scheduling-job"; --',
    "${1/0}",
    "a.*",
    "^(a|b)$",
    "x/y\\z",
    "%",
    "back`tick",
    "übung 🚂",
    "comma, space = equals",
)


def store_of(influx: InfluxServer, bucket: str, **more: object) -> InfluxStore:
    """Returns a store over a bucket, at a time that stands still."""
    arguments: dict[str, Any] = {**influx.arguments(bucket), **more}
    return InfluxStore(Settings(**arguments), ManualClock(wall=NOW_NS))


def run(uuid: str, job: str, ago_s: float, took_s: float | None = None) -> bytes:
    """Returns the rows of a run that began so long ago, ended if its duration is given."""
    series = Series(job, DefaultTags(project="p"))
    at_ns = NOW_NS - int(ago_s * S)
    if took_s is None:
        return start_line(series, uuid, at_ns)
    ending = Ending(uuid, Outcome(), at_ns + int(took_s * S), duration_s=took_s, host="h")
    return start_line(series, uuid, at_ns) + ending_lines(series, ending, run_row=True, error_message=False)


def alive(uuid: str, job: str, ago_s: float, age_s: float, host: str = "h") -> bytes:
    """Returns a sign of life."""
    tags = {"job": job, "project": "p"}
    at_ns = NOW_NS - int(ago_s * S)
    return line_of(Alive(tags=tags, at_ns=at_ns, uuid=uuid, host=host, age_s=age_s, interval_s=60.0))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_name(real_influx: InfluxServer, real_bucket: str, name: str) -> None:
    """No name ends a text of the query, whether it is looked for as it is or in a pattern."""
    real_influx.write(run("hostile", name, 90, 5) + run("other", "other", 80, 5), real_bucket)
    store = store_of(real_influx, real_bucket)
    assert [found.uuid for found in store.latest(Wanted(job=name.replace("*", "?")), 9)] == ["hostile"]
    assert [found.uuid for found in store.latest(Wanted(job=f"?{name[1:]}"), 9)] == ["hostile"]
    assert store.count(Wanted(project=name)) == store.count(Wanted(stage=name)) == 0
    assert store.find(name) == store.attempts(name) == []
    assert store.count(ALL) == 2


def test_what_runs_now_is_found_by_signs_of_life(real_influx: InfluxServer, real_bucket: str) -> None:
    """A run is open if it began just now, gave a sign of life, or gave none for long and has no ending."""
    real_influx.write(
        run("young", "j", 20)
        + run("done", "j", 30, 1)
        + run("long", "j", 7200)
        + b"".join(alive("long", "j", ago, 7200 - ago) for ago in (90, 30))
        + run("silent", "j", 9000)
        + b"".join(alive("silent", "j", ago, 9000 - ago) for ago in (8000, 7940))
        + run("ended", "j", 9001, 3000)
        + alive("ended", "j", 8001, 1000),
        real_bucket,
    )
    found = store_of(real_influx, real_bucket).open_runs(ALL)
    assert [(each.run.uuid, each.alive_ns and (NOW_NS - each.alive_ns) // S, each.interval_s) for each in found] == [
        ("silent", 7940, 60.0),
        ("long", 30, 60.0),
        ("young", None, None),
    ]
    assert [NOW_NS - (each.run.started_ns or 0) for each in found] == [9000 * S, 7200 * S, 20 * S]
    assert [each.run.host for each in found] == ["h", "h", None]
    assert [
        each.run.uuid for each in store_of(real_influx, real_bucket).open_runs(Wanted(since_ns=NOW_NS - 8000 * S))
    ] == [
        "long",
        "young",
    ]


def test_the_last_sign_of_life_of_a_job_may_be_old(real_influx: InfluxServer, real_bucket: str) -> None:
    """A weekly job whose host is gone stays open for days; runs that ended are not taken for it."""
    day = 86_400
    real_influx.write(
        run("gone", "weekly", 3 * day)
        + alive("gone", "weekly", 3 * day - 60, 60)
        + run("ended", "nightly", 2 * day, 300)
        + alive("ended", "nightly", 2 * day - 60, 60)
        + run("old-row", "off", 2 * day, 300).partition(b"\n")[0]
        + b"\n"
        + run("old-row", "off", 2 * day, 300).splitlines(keepends=True)[2]
        + alive("old-row", "off", 2 * day - 60, 60),
        real_bucket,
    )
    assert [each.run.uuid for each in store_of(real_influx, real_bucket).open_runs(ALL)] == ["gone"]


def test_each_silent_run_of_a_job_is_found(real_influx: InfluxServer, real_bucket: str) -> None:
    """Several runs of one job can be silent at once, beside others that ended with a run row or without one."""
    silent = [f"silent-{number}" for number in range(5)]
    ended = [f"ended-{number}" for number in range(5)]
    without_row = run("old-row", "j", 6000, 2000).splitlines(keepends=True)
    real_influx.write(
        b"".join(run(uuid, "j", 9000 + at) for at, uuid in enumerate(silent))
        + b"".join(run(uuid, "j", 8000 + at, 2000) for at, uuid in enumerate(ended))
        + b"".join(alive(uuid, "j", 7000 + at, 1000) for at, uuid in enumerate([*silent, *ended, "old-row"]))
        + without_row[0]
        + next(line for line in without_row if b'"end"' in line),
        real_bucket,
    )
    found = store_of(real_influx, real_bucket).open_runs(ALL)
    assert sorted(each.run.uuid for each in found) == silent


def test_an_ending_of_the_same_id_in_another_series_ends_no_run(real_influx: InfluxServer, real_bucket: str) -> None:
    """Two projects may use the same id."""
    other = run("same", "j", 8000, 2000).replace(b"project=p", b"project=q")
    real_influx.write(run("same", "j", 8000) + other + alive("same", "j", 7000, 1000), real_bucket)
    (found,) = store_of(real_influx, real_bucket).open_runs(ALL)
    assert (found.run.uuid, found.run.project) == ("same", "p")


def test_many_jobs_are_asked_for_at_once(real_influx: InfluxServer, real_bucket: str) -> None:
    """Flux refuses a hundred conditions in a row, each of which nests the next one."""
    jobs = [f"job-{number:03}" for number in range(450)]
    silent = (run(f"{job}-run", job, 8000) + alive(f"{job}-run", job, 7000, 1000) for job in jobs)
    failed = (run(f"{job}-old", job, 9000, 5).replace(b"end", b"failed") for job in jobs)
    real_influx.write(b"".join([*silent, *failed]), real_bucket)
    store = store_of(real_influx, real_bucket)
    assert sorted(each.run.job for each in store.open_runs(ALL)) == jobs
    assert [each.job.job for each in store.last_runs(ALL) if each.success is None] == jobs


def test_senders_alone_tell_that_short_runs_need_no_signs_of_life(real_influx: InfluxServer, real_bucket: str) -> None:
    """Then what began long ago and has no ending is not looked for."""
    data = run("forgotten", "j", 90_000) + run("young", "j", 20)
    real_influx.write(data, real_bucket)
    assert [each.run.uuid for each in store_of(real_influx, real_bucket).open_runs(ALL)] == ["forgotten", "young"]
    word = Sender(host="h", at_ns=NOW_NS - S, complete_until_ns=NOW_NS - S, pending=0, left=False)
    real_influx.write(line_of(word), real_bucket)
    assert [each.run.uuid for each in store_of(real_influx, real_bucket).open_runs(ALL)] == ["young"]


def test_the_monitors_rows_come_back(real_influx: InfluxServer, real_bucket: str) -> None:
    """Of states and senders the last row counts, with those fields only that it has."""
    job = JobId("j", "p")
    missed = Event(job=job, event=names.EVENT_MISSED, at_ns=NOW_NS - 5, due_ns=NOW_NS - 5, withdrawn=True)
    late = Event(job=JobId("k"), event="late", at_ns=NOW_NS - 4, uuid="u", detail='by "9" s')
    before = State(job=job, at_ns=NOW_NS - 9, state="missed", level=2, since_ns=NOW_NS - 99, due_ns=NOW_NS - 99)
    state = State(job=job, at_ns=NOW_NS - 3, state="ok", level=0, since_ns=NOW_NS - 9)
    sender = Sender(host="web-1", at_ns=NOW_NS - 2, complete_until_ns=NOW_NS - 60, pending=0, left=False)
    gone = dataclasses.replace(sender, host="web-2", left=True, at_ns=NOW_NS - 100)
    real_influx.write(b"".join(line_of(row) for row in (late, missed, before, state, sender, gone)), real_bucket)
    store = store_of(real_influx, real_bucket)
    assert store.events(NOW_NS - 5) == [missed, late]
    assert store.events(NOW_NS - 5, NOW_NS - 4) == [missed]
    assert store.states() == [state]
    assert store.senders(NOW_NS - 200) == [sender, gone]
    assert store.senders(NOW_NS - 50) == [sender]


def test_a_token_that_may_not_read_is_one_clear_error(real_influx: InfluxServer, real_bucket: str) -> None:
    """The error names the variable, and not the token; the token for reading takes precedence over the other."""
    writer = real_influx.write_only_token(real_bucket)
    words = "403 Forbidden.*READ_TOKEN" if real_influx.version.startswith("1.") else "READ_TOKEN may not read it"
    with pytest.raises(StoreError, match=words) as failed:
        store_of(real_influx, real_bucket, read_token=writer).latest(ALL, 1)
    assert writer.rpartition(":")[2] not in str(failed.value)
    assert store_of(real_influx, real_bucket, read_token=real_influx.token).latest(ALL, 1) == []
    with pytest.raises(StoreError, match=r"401 Unauthorized.*READ_TOKEN"):
        store_of(real_influx, real_bucket, read_token="wrong:secret").latest(ALL, 1)


def test_a_bucket_that_is_not_there_is_one_clear_error(real_influx: InfluxServer) -> None:
    """The error names the bucket and its variable."""
    with pytest.raises(StoreError, match=r"has no 'nothing' \(INFLUXDB_BUCKET\)"):
        store_of(real_influx, "nothing").latest(ALL, 1)


def test_a_server_that_is_away_or_silent_is_one_clear_error(real_influx: InfluxServer, real_bucket: str) -> None:
    """Whether nothing listens, or nothing answers within the time-out."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(StoreError, match=f"no answer from {url}"):
            store_of(real_influx, real_bucket, influxdb_url=url).latest(ALL, 1)
        listener.listen()
        with pytest.raises(StoreError, match=r"within 0\.2 s"):
            store_of(real_influx, real_bucket, influxdb_url=url, timeout_s=0.2).latest(ALL, 1)


def test_settings_without_an_influxdb_are_one_clear_error() -> None:
    """The error says what to set."""
    with pytest.raises(StoreError, match="INFLUXDB_URL"):
        InfluxStore(Settings())
