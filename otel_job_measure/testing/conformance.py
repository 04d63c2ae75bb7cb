"""The conformance suite: what an adapter of a scheduler must get right, as a table that anyone can run.

A `Driver` has one scheduler run one task. The suite says which task, and compares what was recorded with what is true::

    for behaviour in BEHAVIOURS:
        problems = check(MyDriver(), behaviour, tmp_path)
        assert problems == [], behaviour.sentence

`docs/schedulers.md` shows a whole adapter, and the table of the package's own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.journal.segment import SUFFIX
from otel_job_measure.points.line_protocol import Point, parse
from otel_job_measure.runtime.measure import JobMeasure
from otel_job_measure.testing import tasks
from otel_job_measure.testing.recorded import SkippedRecord

Tracing = Literal["none", "sampled", "unsampled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One thing that happens to tasks.

    Args:
        name: Its name in the table.
        sentence: What is right, for people.
        task: What the scheduler has to run; for the others the driver decides how it comes about.
        endings: How the runs of the job end, in any order: `end`, or the reason of a failure.
        others: The runs of other jobs, as (job, ending).
        skipped: The first words of the skipped events, in any order.
        tracing: What the app traces with.
    """

    name: str
    sentence: str
    task: Callable[..., Any] = tasks.succeeds
    endings: tuple[str, ...] = ("end",)
    others: tuple[tuple[str, str], ...] = ()
    skipped: tuple[str, ...] = ()
    tracing: Tracing = "none"


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


BEHAVIOURS: Final = (
    Behaviour(name="succeeds", sentence="A task that returns is an `end`."),
    Behaviour(name="raises", sentence="A task that raises is `failed`.", task=tasks.raises, endings=("error",)),
    Behaviour(name="async", sentence="A coroutine's run lasts until it is done.", task=tasks.succeeds_async),
    Behaviour(name="async raises", sentence="What it raises counts.", task=tasks.raises_async, endings=("error",)),
    Behaviour(
        name="decorated",
        sentence="A task that is decorated as `conformance-decorated` is measured once, by that name.",
        task=tasks.succeeds,
    ),
    Behaviour(name="calls itself", sentence="So is one that calls what has its name.", task=tasks.calls_itself),
    Behaviour(
        name="calls another",
        sentence="Another job inside a task is a run of its own.",
        task=tasks.calls_another,
        others=((tasks.NESTED, "end"),),
    ),
    Behaviour(name="two adapters", sentence="Two adapters measure a task once."),
    Behaviour(name="sys.exit", sentence="`sys.exit(3)` in a task.", task=tasks.exits, endings=("exit",)),
    Behaviour(name="os._exit", sentence="`os._exit(3)` in a task.", task=tasks.leaves, endings=("exit",)),
    Behaviour(name="SIGKILL", sentence="The task's process is killed.", task=tasks.is_killed, endings=("signal",)),
    Behaviour(
        name="retries, succeeds",
        sentence="The first attempt is a `retry`, the second an `end`.",
        endings=("retry", "end"),
    ),
    Behaviour(name="retries, fails", sentence="The last attempt fails.", endings=("retry", "error")),
    Behaviour(name="soft time limit", sentence="A `timeout`.", task=tasks.lasts, endings=("timeout",)),
    Behaviour(name="hard time limit", sentence="A `timeout` too.", task=tasks.lasts, endings=("timeout",)),
    Behaviour(name="revoked before", sentence="It never runs.", endings=(), skipped=("revoked",)),
    Behaviour(name="revoked during", sentence="The run is `revoked`.", task=tasks.lasts, endings=("revoked",)),
    Behaviour(name="rejected", sentence="The task gives itself back.", endings=("rejected",)),
    Behaviour(name="ignored", sentence="The task says that its outcome does not count.", endings=("skipped",)),
    Behaviour(name="expired", sentence="It came too late to run.", endings=(), skipped=("expired",)),
    Behaviour(name="misfire", sentence="A due time beyond its grace.", endings=(), skipped=("misfire",)),
    Behaviour(
        name="max instances",
        sentence="A due time while the job still runs.",
        endings=("end",),
        skipped=("max_instances",),
    ),
    Behaviour(name="coalesced", sentence="Three due times become one run.", skipped=("coalesced", "coalesced")),
    Behaviour(name="warm shutdown", sentence="SIGTERM lets the task end."),
    Behaviour(name="cold shutdown", sentence="It stops the task.", task=tasks.lasts, endings=("cancelled",)),
    Behaviour(name="chain", sentence="Each of two tasks is a run.", endings=("end", "end")),
    Behaviour(name="group", sentence="So is each of two at once.", endings=("end", "end")),
    Behaviour(name="chord", sentence="And each of two, and what follows them.", endings=("end", "end", "end")),
    Behaviour(name="traced", sentence="A sampled span has the run's ids.", tracing="sampled"),
    Behaviour(name="unsampled", sentence="A run is measured if its span is not sampled.", tracing="unsampled"),
    Behaviour(name="foreign span", sentence="The span of another instrumentation lends its ids.", tracing="sampled"),
    Behaviour(name="InfluxDB away", sentence="What cannot be sent stays on disk; the suite has no server."),
)
"""All behaviours, in the order of the table."""

_AWAY: Final = "http://127.0.0.1:9"
_RETURNED: Final = ("succeeds", "async", "decorated", "calls itself", "traced")
"""The behaviours whose result the scheduler must get."""
_JOB: Final = "conformance"


def check(driver: Driver, behaviour: Behaviour, folder: Path) -> list[str]:
    """Has a driver perform a behaviour, and says what was recorded wrongly.

    Args:
        driver: The scheduler's.
        behaviour: One that the driver does not list in `cannot`.
        folder: An empty folder for the state directory.

    Returns:
        A sentence for each problem; nothing if the adapter is right.
    """
    job = tasks.DECORATED if behaviour.name == "decorated" else _JOB
    place = Place(state_dir=folder / "state", job=job, tracing=behaviour.tracing)
    returned = driver.perform(behaviour, place)
    recorded = Recorded.in_(place.state_dir)
    problems = list(_compared(behaviour, job, recorded))
    if behaviour.name in _RETURNED and returned != tasks.RESULT:
        problems.append(f"the scheduler got {returned!r} instead of the task's result")
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
        if behaviour.tracing == "sampled" and run.trace_id is None:
            yield f"a run of {run.job} has no trace"


def _points(state_dir: Path) -> Iterable[Point]:
    files: Sequence[Path] = sorted([*state_dir.glob(f"slots/*/*{SUFFIX}"), *state_dir.glob(f"ready/*{SUFFIX}")])
    for file in files:
        for line in file.read_bytes().splitlines():
            if line and not line.startswith(b"#"):
                yield parse(line)
