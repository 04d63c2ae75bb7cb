"""What the monitor's rows cost in a day: bytes on InfluxDB's disk and on the wire, requests and series."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.fleet.cases import settled
from benchmarks.fleet.plan import DAY_S
from benchmarks.tables import Cell, Column, Table
from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.points.monitor import Alive, Event, Expected, MonitorRow, Sender, State
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.points.run_ids import new_run_id
from tests.support.influx import InfluxServer

_END_NS: Final = 1_700_000_000_000_000_000
_S: Final = 1_000_000_000
_MINUTE: Final = 60 * _S
_A_DAY: Final = DAY_S // 60
_SERIES: Final = 30
_POST: Final = 5000
_TAGS: Final = {"project": "billing", "stage": "production"}
_DATACENTER: Final = {"datacenter": "fra"}


class _Kind(NamedTuple):
    """One measurement."""

    measurement: str
    series: str
    """What has a series."""
    rows_a_day: int
    """Of each series."""
    requests: int | None
    """How many requests a day it takes; None if that differs."""
    rows: Callable[[], Iterator[MonitorRow]]
    """Gives rows to measure."""


def measured(influx: InfluxServer, folder: Path) -> tuple[Table, ...]:
    """Writes a day of each kind of row, for some jobs or hosts, and looks at what is on the disk.

    Args:
        influx: A server of our own.
        folder: Its folder.
    """
    rows = tuple(_row(influx, folder, each) for each in _KINDS)
    return (
        Table(
            name="present",
            title="What runs now, was found and is expected, in a day",
            columns=(
                Column(title="", unit="text"),
                Column(title="a series for each", unit="text"),
                Column(title="rows a day", unit="count"),
                Column(title="bytes of a row on the disk, measured", unit="number"),
                Column(title="bytes of a row on the wire, measured", unit="number"),
                Column(title="KiB a day on the disk", unit="number"),
                Column(title="requests a day", unit="count"),
            ),
            rows=rows,
        ),
    )


def _row(influx: InfluxServer, folder: Path, kind: _Kind) -> tuple[Cell, ...]:
    bucket = influx.new_bucket()
    lines = sorted(map(line_of, kind.rows()), key=lambda line: int(line.rpartition(b" ")[2]))
    for at in range(0, len(lines), _POST):
        influx.write(b"".join(lines[at : at + _POST]), bucket)
    [known] = influx.flux(f'buckets() |> filter(fn: (r) => r.name == "{bucket}")')
    on_disk = settled(folder / "engine" / "data" / str(known["id"])) / len(lines)
    on_wire = sum(len(gzip.compress(line, 1, mtime=0)) for line in lines[:1000]) / len(lines[:1000])
    a_day = on_disk * kind.rows_a_day / 1024
    return (kind.measurement, kind.series, kind.rows_a_day, on_disk, on_wire, a_day, kind.requests)


def _alive() -> Iterator[MonitorRow]:
    for number in range(_SERIES):
        uuid = new_run_id()
        for minute in range(1, _A_DAY + 1):
            yield Alive(
                tags={"job": f"job-{number}", **_TAGS, **_DATACENTER},
                at_ns=_END_NS + minute * _MINUTE + number,
                uuid=uuid,
                host=f"host-{number:04}",
                age_s=minute * 60.0 + number / 1000,
                interval_s=60.0,
            )


def _senders() -> Iterator[MonitorRow]:
    chance = random.Random(1)  # noqa: S311 - no secret
    for number in range(_SERIES):
        for minute in range(_A_DAY):
            at_ns = _END_NS + minute * _MINUTE + chance.randrange(1000) * 1000 + number
            until_ns = at_ns - chance.randrange(2, 33) * _S
            yield Sender(host=f"host-{number:04}", at_ns=at_ns, complete_until_ns=until_ns, pending=0, left=False)


def _events() -> Iterator[MonitorRow]:
    for number in range(_SERIES):
        for minute in range(_A_DAY):
            at_ns = _END_NS + minute * _MINUTE
            yield Event(
                job=_job(number), event="missed", at_ns=at_ns, due_ns=at_ns, detail="no run in its grace of 60 s"
            )


def _states() -> Iterator[MonitorRow]:
    for number in range(_SERIES * 60):
        for hour in range(24):
            at_ns = _END_NS + hour * 60 * _MINUTE + number * 1000
            yield State(job=_job(number), at_ns=at_ns, state="ok", level=0, since_ns=_END_NS)


def _expected() -> Iterator[MonitorRow]:
    for number in range(_SERIES * 60):
        text = json.dumps(
            {
                "expectation": {"grace_s": 1800.0, "schedule": f"{number % 60} 2 * * *", "timezone": "Europe/Berlin"},
                "first_seen": _END_NS,
                "job": f"job-{number}",
                "origin": "billing",
                **_TAGS,
            }
        )
        for day in range(24):
            at_ns = _END_NS + day * DAY_S * _S + number
            yield Expected(job=_job(number), at_ns=at_ns, source="code", version=1, text=text)


def _job(number: int) -> JobId:
    return JobId(f"job-{number}", *_TAGS.values())


_KINDS: Final = (
    _Kind(names.SENDERS, "host", _A_DAY, _A_DAY, _senders),
    _Kind(names.ALIVE, "job with a run open all day", _A_DAY, 0, _alive),
    _Kind(names.STATES, "job, if a checker runs", 24, None, _states),
    _Kind(names.EXPECTED, "job with an expectation", 1, None, _expected),
    _Kind(names.EVENTS, "job and finding", 1, None, _events),
)
