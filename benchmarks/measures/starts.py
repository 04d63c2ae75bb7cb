"""What whole commands cost: `exec` around a command, imports, and the first run."""

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.commands import PROGRAM
from benchmarks.interleaved import ROOT, environment
from benchmarks.modules import emptied, loaded, of_ours, pythons_own
from benchmarks.tables import Column, Part, Table, at_most

_PYTHON: Final = "python -c pass"
_SDK: Final = "import opentelemetry.sdk.trace"
_LOCAL: Final = "JobMeasure and its first run, into the local history"
_FIRST: Final = "JobMeasure and its first run, only appended"
_OURS: Final = "import otel_job_measure"
_MEASURE: Final = "from otel_job_measure import JobMeasure"
_TRUE: Final = "true"
_LEAST: Final = (_PYTHON, _TRUE)
_EXEC: Final = "otel-job-measure exec nightly -- true, SHIP=off"
_ONE_RUN: Final = _MEASURE + "; JobMeasure(project='billing'{}).job('nightly')(int)()"
_APPENDED: Final = _ONE_RUN.format(
    ", ship=False, history=False, influxdb_url='http://127.0.0.1:9', influxdb_org='o', influxdb_bucket='b'"
)
_WORDS: Final = ("exec", "--env-file", "/dev/null", "nightly", "--", "true")
_EXEC_INSIDE: Final = f"from otel_job_measure.cli import main; main({list(_WORDS)})"
_ROUNDS: Final = 15
_SEED: Final = 4
_MOST_NS: Final = 130_000_000
_OF_SDK: Final = 1.15


def measure(bench: Bench) -> Part:
    """Times each command, by turns.

    Args:
        bench: The folders.
    """
    home = bench.new_folder()
    empty = home / "empty"
    variables = environment(home) | {
        "PYTHONPATH": f"{ROOT}:{empty}",
        "OTEL_JOB_MEASURE_STATE_DIR": str(home / "state"),
        "OTEL_JOB_MEASURE_SHIP": "off",
    }
    first = loaded(_APPENDED, variables)
    took = _Took(_commands(first, empty, variables), variables)
    return Part(
        tables=(_table(took, client="influxdb_client" in first),),
        verdicts=(
            at_most("`exec NAME -- true` over `true` alone", took.more_ns(_EXEC, than=_TRUE), _MOST_NS, "ms"),
            at_most("`import otel_job_measure`, against importing the SDK", took.of_sdk(_OURS), _OF_SDK, "times"),
            at_most(
                "a first run with all it imports, the SDK too, against the SDK", took.of_sdk(_FIRST), _OF_SDK, "times"
            ),
        ),
    )


def _commands(first: Iterable[str], empty: Path, variables: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """Returns the commands, and beside ours those that load as much and do nothing with it.

    Args:
        first: The modules of a first run.
        empty: Where the empty modules come.
        variables: The environment.
    """
    bare, sdk, inside = (loaded(code, variables) for code in ("pass", _SDK, _EXEC_INSIDE))
    own, mine = pythons_own(inside, without=bare), of_ours(inside)
    own_of_first, mine_of_first = pythons_own(first, without=sdk), of_ours(first)
    programs = {
        _PYTHON: "pass",
        f"the {len(own)} modules of Python's own that `exec` loads": _imports(own),
        f"{len(mine)} empty modules, as many as `exec` loads of ours": _imports(emptied(mine, empty)),
        _SDK: _SDK,
        f"the SDK and {len(own_of_first)} more of Python's own that a first run loads": "; ".join(
            [_SDK, _imports(own_of_first)]
        ),
        f"the SDK and {len(mine_of_first)} empty modules, as many as a first run loads of ours": "; ".join(
            [_SDK, _imports(emptied(mine_of_first, empty))]
        ),
        _OURS: _OURS,
        _MEASURE: _MEASURE,
        _FIRST: _APPENDED,
        _LOCAL: _ONE_RUN.format(""),
    }
    commands: dict[str, Sequence[str]] = {name: (sys.executable, "-c", code) for name, code in programs.items()}
    return commands | {_TRUE: (_TRUE,), _EXEC: (str(PROGRAM), *_WORDS)}


def _imports(modules: Iterable[str]) -> str:
    return "; ".join(f"import {name}" for name in modules)


class _Took:
    """How long each command took, round by round.

    Args:
        commands: The commands by name; each has its turn in each round, in another order, after a round to warm up.
        variables: Their environment.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], variables: Mapping[str, str]) -> None:
        self.rounds_ns: dict[str, list[int]] = {name: [] for name in commands}
        chance = random.Random(_SEED)  # noqa: S311 - the order of turns is no secret
        for warm_up in (True, *[False] * _ROUNDS):
            for name in chance.sample(list(commands), len(commands)):
                took_ns = _took_ns(commands[name], variables)
                if not warm_up:
                    self.rounds_ns[name].append(took_ns)

    def median_ns(self, name: str) -> float:
        """Returns how long a command took."""
        return statistics.median(self.rounds_ns[name])

    def more_ns(self, name: str, *, than: str) -> float:
        """Returns how much longer a command took than another one of the same round."""
        return statistics.median(self._more_ns(name, than))

    def of_sdk(self, name: str) -> float:
        """Returns how many times as long as importing the SDK it took in the same round, each without Python itself."""
        pairs = zip(self._more_ns(name, _PYTHON), self._more_ns(_SDK, _PYTHON), strict=True)
        return statistics.median(each / sdk for each, sdk in pairs)

    def _more_ns(self, name: str, than: str) -> list[int]:
        pairs = zip(self.rounds_ns[name], self.rounds_ns[than], strict=True)
        return [took_ns - others_ns for took_ns, others_ns in pairs]


def _took_ns(command: Sequence[str], variables: Mapping[str, str]) -> int:
    began_ns = time.perf_counter_ns()
    subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter_ns() - began_ns


def _table(took: _Took, *, client: bool) -> Table:
    return Table(
        name="starts",
        title="Whole commands",
        columns=(
            Column(title="", unit="text"),
            Column(title="median", unit="ms"),
            Column(title="more than Python alone", unit="ms"),
            Column(title="that / the SDK's", unit="times"),
        ),
        rows=tuple(
            (
                name,
                took.median_ns(name),
                None if name in _LEAST else took.more_ns(name, than=_PYTHON),
                None if name in _LEAST else took.of_sdk(name),
            )
            for name in took.rounds_ns
        ),
        note=(
            f"The median of {_ROUNDS} rounds; differences and ratios are those within a round. Is influxdb-client "
            f"loaded in a process that only appends: {'yes' if client else 'no'}."
        ),
    )
