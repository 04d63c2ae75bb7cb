"""Where points are looked for: in a real InfluxDB, in the files of a state directory, in what a server was sent."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.line_protocol import Point, parse
from otel_job_measure.runtime.assembly import boot_id
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from soak.books import Found
from tests.support.generations import AnyInflux


def in_influx(server: AnyInflux, bucket: str) -> list[Found]:
    """Returns the points of a bucket."""
    return [_found(row.measurement, row.tags, row.fields, row.time_ns) for row in server.lines(bucket)]


def in_lines(lines: Iterable[bytes]) -> list[Found]:
    """Returns the points of lines, comments left out; a line that is none raises."""
    return [_of(parse(line)) for line in lines if line and not line.startswith(b"#")]


def in_files(state_dir: Path) -> list[Found]:
    """Returns the points in the segments of a state directory."""
    found: list[Found] = []
    for path in segments(state_dir):
        data = path.read_bytes()
        found += in_lines(data[: data.rfind(b"\n") + 1].split(b"\n"))
    return found


def segments(state_dir: Path) -> list[Path]:
    """Returns the segments of a state directory, in slots or in ready/."""
    return sorted([*state_dir.glob("slots/*/*.lp"), *state_dir.glob("ready/*.lp")])


def refused(state_dir: Path) -> list[bytes]:
    """Returns what a server refused."""
    return [line for path in state_dir.glob("rejected/*.lp") for line in path.read_bytes().splitlines()]


def adopted(state_dir: Path) -> list[Found]:
    """Runs a recovery pass, and returns the points in the segments."""
    state = StateDir(state_dir)
    state.make()
    with state.adopting() as held:
        assert held, "another process holds adopt.lock after all processes have ended"
        recover_slots(state, clock=SystemClock(), boot_id=boot_id())
    return in_files(state_dir)


def _of(point: Point) -> Found:
    return _found(point.measurement, point.tags, point.fields, point.time_ns or 0)


def _found(measurement: str, tags: Mapping[str, str], fields: Mapping[str, object], time_ns: int) -> Found:
    status = fields.get(names.FIELD_STATUS) or tags.get(names.TAG_REASON) or tags[names.TAG_STATUS]
    return Found(measurement, tuple(sorted(tags.items())), time_ns, str(fields[names.FIELD_UUID]), str(status))


def in_history(state_dir: Path) -> dict[str, str]:
    """Returns how each run ended as the history has it, by uuid: `end` or the reason."""
    history, behind = up_to_date(Settings(state_dir=state_dir))
    assert not behind.bytes, behind
    return {run.uuid: run.reason or run.status for run in history.latest(limit=10_000_000)}
