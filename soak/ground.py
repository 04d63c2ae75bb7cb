"""Where a scenario takes place: its folder, its randomness, its processes, and what is known of its runs."""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from soak import found
from soak.app import App
from soak.books import Books, Compared, Found
from soak.fault import Fault
from soak.stepping import held
from soak.tally import Row
from tests.support.generations import AnyInflux
from tests.support.processes import ROOT

NOBODY: Final = "http://127.0.0.1:9"
"""Where no server listens."""
_MOST_WORDS: Final = 20
_LEFT_OUT: Final = (
    "COVERAGE_",
    "INFLUXDB_",
    "OTEL_",
    "CLUSTER_DATACENTER",
    "PROJECT_NAME",
    "PROJECT_STAGE",
    "TRACEPARENT",
)


@dataclass(slots=True, kw_only=True)
class Ground:
    """The ground of one scenario.

    Args:
        fault: The fault's name.
        folder: A folder for this scenario alone.
        rng: Where all its chance comes from.
        times: How often the fault is to be tried.
        influx: A real server, where the fault asks for one.
        patience_s: How long anything may take before it counts as hanging.
    """

    fault: str
    folder: Path
    rng: random.Random
    times: int
    influx: AnyInflux | None = None
    patience_s: float = 60.0
    books: Books = field(default_factory=Books)
    started: list[App] = field(default_factory=list[App])
    compared: list[Compared] = field(default_factory=list[Compared])

    @property
    def state_dir(self) -> Path:
        """Returns the state directory of the scenario's processes."""
        return self.folder / "state"

    @property
    def server(self) -> AnyInflux:
        """Returns the real server of a fault that asks for one."""
        assert self.influx is not None, "say influx=True where the fault is made"
        return self.influx

    def environment(self, **variables: str) -> dict[str, str]:
        """Returns the environment of a process: nothing of the harness's own, this state directory, `variables`.

        Coverage follows none of these processes: its own locks, files and imports would be taken for ours.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        ours = {"HOME": str(home), "OTEL_JOB_MEASURE_STATE_DIR": str(self.state_dir)}
        return {**kept, **ours, "XDG_STATE_HOME": str(home / "state"), **variables}

    def nowhere(self, **variables: str) -> dict[str, str]:
        """Returns variables with which points stay in the files: there is a destination, and no process ships."""
        return {
            "INFLUXDB_URL": NOBODY,
            "INFLUXDB_ORG": "o",
            "INFLUXDB_BUCKET": "b",
            "OTEL_JOB_MEASURE_SHIP": "off",
            **variables,
        }

    def app(self, module: str, *words: object, **variables: str) -> App:
        """Starts `python -m module words…`; what it reports goes into the books.

        Args:
            module: A module with `__main__`, such as `soak.apps.looping`.
            words: Its arguments.
            variables: More of its environment.
        """
        return self.start(sys.executable, "-m", module, *map(str, words), **variables)

    def command(self, *words: str, **variables: str) -> App:
        """Starts `otel-job-measure words…`."""
        return self.start(str(Path(sys.executable).with_name("otel-job-measure")), *words, **variables)

    def start(self, *command: str, **variables: str) -> App:
        """Starts a command with this scenario's environment."""
        log = self.folder / f"{len(self.started)}.stderr"
        app = App(command, self.environment(**variables), log, self.books, patience_s=self.patience_s)
        self.started.append(app)
        return app

    def moment(self, most_s: float) -> None:
        """Lets a moment pass, by chance at most `most_s`: the fault is to come at any point of what is under way."""
        threading.Event().wait(self.rng.uniform(0, most_s))

    def end(self, pid: int, number: signal.Signals) -> None:
        """Sends a signal to a process that may be gone already."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def ship(self, **variables: str) -> None:
        """Runs `otel-job-measure ship --once` to its end; all that was left is delivered then."""
        app = self.command("ship", "--once", "--env-file", "/dev/null", **variables)
        code = app.end()
        self.expect(code == 0, f"ship ended with {code}: {app.stderr}")

    def until(self, look: Callable[[], object], what: str) -> None:
        """Looks again and again until something is so; says what never came where it takes too long."""
        pause, looks = 0.02, 0
        while not look():
            looks += 1
            assert looks * pause < self.patience_s, f"{what}: not within {self.patience_s:g} s\n{self.logs()}"
            threading.Event().wait(pause)

    def until_free(self, locks: Sequence[Path]) -> None:
        """Waits until no process holds any of these locks."""
        self.until(lambda: not held(locks), f"no process holds {', '.join(map(str, locks))}")

    def until_alone(self, state_dir: Path) -> None:
        """Waits until exactly one slot of a state directory is held."""
        self.until(lambda: len(held(state_dir.glob("slots/*/lock"))) == 1, "one slot is held alone")

    def expect(self, holds: object, words: str) -> None:
        """Notes a sentence as broken where something does not hold."""
        if not holds:
            self.books.broken.append(words)

    def adopted(self, state_dir: Path | None = None) -> list[Found]:
        """Runs a recovery pass, and returns the points in the files."""
        return found.adopted(state_dir or self.state_dir)

    @contextmanager
    def apart(self) -> Generator[None]:
        """Forgets, at the end of the block, the runs that began in it: they belong to one try alone."""
        before = dict(self.books.begun)
        yield
        self.books.begun = before

    def look(self, points: list[Found]) -> None:
        """Compares what was found with what is known by now; each look counts for itself."""
        self.compared.append(self.books.compare(points))

    def row(self, *looks: list[Found], tried: int | None = None) -> Row:
        """Returns the row of the table: what was found against what is known.

        Args:
            looks: What was found in the end, beside what was given to `look`.
            tried: How often the fault came; None for as often as was asked for.
        """
        for points in looks:
            self.look(points)
        each = self.compared
        expected, found_ = sum(one.expected for one in each), sum(one.found for one in each)
        if refused := found.refused(self.state_dir):
            self.books.broken.append(f"{len(refused)} lines were refused, the first: {refused[0]!r}")
        return Row(
            fault=self.fault,
            tried=self.times if tried is None else tried,
            runs=sum(one.runs for one in each),
            expected=expected,
            found=found_,
            lost=expected - found_,
            doubled=sum(one.doubled for one in each),
            p99_wait_s=self.books.wait_s(0.99),
            longest_wait_s=self.books.wait_s(1),
            broken=(*self.books.broken, *(words for one in each for words in one.wrong))[:_MOST_WORDS],
        )

    def logs(self) -> str:
        """Returns the ends of what the processes have said on stderr."""
        return "\n".join(f"{app.name}: {words}" for app in self.started if (words := app.stderr[-2000:]))


@contextmanager
def ground_for(
    fault: Fault, folder: Path, seed: int, times: int, *, influx: AnyInflux | None = None, patience_s: float = 60.0
) -> Generator[Ground]:
    """Gives a ground to a scenario; none of its processes outlives it."""
    rng = random.Random(f"{seed} {fault.name}")
    folder.mkdir(parents=True, exist_ok=True)
    ground = Ground(fault=fault.name, folder=folder, rng=rng, times=times, influx=influx, patience_s=patience_s)
    try:
        yield ground
    finally:
        for app in ground.started:
            app.stop()


__all__ = ["NOBODY", "ROOT", "Ground", "ground_for"]
