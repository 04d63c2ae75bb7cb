"""The conformance suite: what an adapter of a scheduler must get right, as a table that anyone can run.

A `Driver` has one scheduler run one task. The suite says which task, and compares what was recorded with what is true::

    for behaviour in BEHAVIOURS:
        problems = check(MyDriver(), behaviour, tmp_path)
        assert problems == [], behaviour.sentence

`docs/schedulers.md` shows a whole adapter, and the table of the package's own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from otel_job_measure import names
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.journal.segment import SUFFIX
from otel_job_measure.points.line_protocol import Point, parse
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.testing import tasks
from otel_job_measure.testing.behaviours import BEHAVIOURS, Behaviour, Tracing
from otel_job_measure.testing.recorded import SkippedRecord

__all__ = ["BEHAVIOURS", "Behaviour", "Driver", "Place", "Recorded", "check", "results_of", "table"]

_AWAY: Final = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a driver performs: the settings of every process that it starts.

    Args:
        state_dir: The state directory.
        job: The name that the scheduler must give the job.
        tracing: What the app traces with.
    """

    state_dir: Path
    job: str
    tracing: Tracing = "none"

    def variables(self) -> dict[str, str]:
        """Returns the environment variables that say so: no server answers, so everything stays in the directory."""
        server = {"URL": _AWAY, "TOKEN": "a-token", "ORG": "o", "BUCKET": "b"}
        return {
            "OTEL_JOB_MEASURE_STATE_DIR": str(self.state_dir),
            "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "1",
            **{f"INFLUXDB_{name}": value for name, value in server.items()},
        }

    def measure(self) -> JobMeasure:
        """Returns a `JobMeasure` with these settings, for a scheduler that runs in this process."""
        provider: TracerProvider | None = None
        if self.tracing != "none":
            sampler = ALWAYS_ON if self.tracing == "sampled" else ALWAYS_OFF
            provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        return JobMeasure(
            state_dir=self.state_dir,
            influxdb_url=_AWAY,
            influxdb_token="a-token",  # noqa: S106 - there is no server
            influxdb_org="o",
            influxdb_bucket="b",
            shutdown_timeout_s=1,
            tracer_provider=provider,
        )


class Driver(Protocol):
    """Has one scheduler run tasks."""

    name: str
    """The scheduler's, in the table."""
    job: str
    """What the scheduler calls the tasks that it is given: `conformance`, if it can choose."""
    cannot: Mapping[str, str]
    """Why this scheduler has no such behaviour, or cannot tell: by the behaviour's name."""

    def perform(self, behaviour: Behaviour, place: Place) -> object:
        """Has the scheduler run the behaviour's task, with the adapter installed, and waits until all of it is over.

        Returns:
            What the scheduler says that the task returned; None if it returned nothing.
        """
        ...


@dataclass(slots=True)
class Recorded:
    """What a state directory says: runs and skipped due times."""

    runs: list[RunRecord] = field(default_factory=list[RunRecord])
    skipped: list[SkippedRecord] = field(default_factory=list[SkippedRecord])

    @classmethod
    def in_(cls, state_dir: Path) -> "Recorded":
        """Reads all segments of a state directory."""
        points = list(_points(state_dir))
        return cls(RunRecord.from_points(points), SkippedRecord.from_points(points))

    def since(self, before: "Recorded") -> "Recorded":
        """Returns what was not there before."""
        known = {run.uuid for run in before.runs}
        runs = [run for run in self.runs if run.uuid not in known]
        return Recorded(runs, [record for record in self.skipped if record not in before.skipped])


def check(driver: Driver, behaviour: Behaviour, folder: Path) -> list[str]:
    """Has a driver perform a behaviour, and says what was recorded wrongly.

    Args:
        driver: The scheduler's.
        behaviour: One that the driver does not list in `cannot`.
        folder: A folder for the state directory; what earlier checks left there does not count.

    Returns:
        A sentence for each problem; nothing if the adapter is right.
    """
    job = tasks.DECORATED if behaviour.name == "decorated" else driver.job
    place = Place(state_dir=folder / "state", job=job, tracing=behaviour.tracing)
    before = Recorded.in_(place.state_dir)
    returned = driver.perform(behaviour, place)
    recorded = Recorded.in_(place.state_dir).since(before)
    problems = list(_compared(behaviour, job, recorded))
    if behaviour.returned is not None and returned != behaviour.returned:
        problems.append(f"the scheduler got {returned!r} instead of the task's result")
    if behaviour.tracing != "none":
        problems.extend(_traced(behaviour, recorded.runs, str(returned)))
    return problems


def table(results: Mapping[str, Mapping[str, str]]) -> str:
    """Returns a table in Markdown.

    Args:
        results: By scheduler, by behaviour: `yes`, or why there is no such cell. A behaviour that is missing has not
            been tried.
    """
    lines = ["| behaviour | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    notes: dict[str, int] = {}
    for behaviour in BEHAVIOURS:
        cells = [_cell(cells.get(behaviour.name, ""), notes) for cells in results.values()]
        if any(cells):
            lines.append(f"| {behaviour.name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"{number}. {note}" for note, number in notes.items()), ""])


def results_of(driver: Driver) -> dict[str, str]:
    """Returns a driver's column of the table, in which each behaviour that it can perform is right."""
    return {each.name: driver.cannot.get(each.name, "yes") for each in BEHAVIOURS}


def _cell(result: str, notes: dict[str, int]) -> str:
    if result in {"", "yes"}:
        return result
    return f"- ({notes.setdefault(result, len(notes) + 1)})"


def _compared(behaviour: Behaviour, job: str, recorded: Recorded) -> Iterable[str]:
    wanted = Counter([*((job, ending) for ending in behaviour.endings), *behaviour.others])
    found = Counter((run.job, run.reason or run.status) for run in recorded.runs)
    if wanted != found:
        yield f"wanted the runs {sorted(wanted.elements())}, found {sorted(found.elements())}"
    skipped = Counter(record.detail.partition(":")[0] for record in recorded.skipped)
    if skipped != Counter(behaviour.skipped):
        yield f"wanted the skipped due times {sorted(behaviour.skipped)}, found {sorted(skipped.elements())}"
    for run in recorded.runs:
        if run.started_ns is None:
            yield f"a run of {run.job} ended as {run.reason or run.status} and has no start"
        if (
            behaviour.error_type is not None
            and run.status == names.STATUS_FAILED
            and run.error_type != behaviour.error_type
        ):
            yield f"wanted the error type {behaviour.error_type}, found {run.error_type}"
    attempts = sorted(run.attempt or 0 for run in recorded.runs)
    if "retry" in behaviour.endings and (attempts != [1, 2] or len({run.task_id for run in recorded.runs}) != 1):
        yield f"wanted the attempts 1 and 2 of one task, found {attempts}"


def _traced(behaviour: Behaviour, runs: Iterable[RunRecord], span: str) -> Iterable[str]:
    """Compares the ids of runs with those that the task saw; a span of our own that is not sampled lends none."""
    for run in runs:
        ids = f"{run.trace_id} {run.span_id or span[-16:]}"
        if ids != span and (run.trace_id or behaviour.name != "unsampled"):
            yield f"a run of {run.job} has the ids {ids}, and its task was in the span {span}"


def _points(state_dir: Path) -> Iterable[Point]:
    for pattern in (f"slots/*/*{SUFFIX}", f"ready/*{SUFFIX}"):  # a segment may move from here to there meanwhile
        for file in sorted(state_dir.glob(pattern)):
            with suppress(FileNotFoundError):
                *lines, _ = file.read_bytes().split(b"\n")  # the last one is empty, or still being written
                yield from (parse(line) for line in lines if line and not line.startswith(b"#"))
