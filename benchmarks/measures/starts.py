"""What whole commands cost: `exec` around a command, imports, and the first run. Timed by pyperf."""

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.commands import PROGRAM
from benchmarks.contenders.libraries import library
from benchmarks.interleaved import ROOT, environment
from benchmarks.tables import Column, Part, Table, at_most

_PYTHON: Final = "python -c pass"
_SDK: Final = "import opentelemetry.sdk.trace"
_LOCAL: Final = "JobMeasure and its first run, into the local history"
_FIRST: Final = "JobMeasure and its first run, only appended"
_OURS: Final = "import otel_job_measure"
_TRUE: Final = "true"
_EXEC: Final = "otel-job-measure exec nightly -- true, SHIP=off"
_STANDARD: Final = "import argparse, json, logging, pathlib, typing"
_ONE_RUN: Final = "from otel_job_measure import JobMeasure; JobMeasure(project='billing'{}).job('nightly')(int)()"
_APPENDED: Final = _ONE_RUN.format(
    ", ship=False, history=False, influxdb_url='http://127.0.0.1:9', influxdb_org='o', influxdb_bucket='b'"
)
_LOADED: Final = f"{_APPENDED}; import sys; print('influxdb_client' in sys.modules)"
_COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    _PYTHON: (sys.executable, "-c", "pass"),
    _STANDARD: (sys.executable, "-c", _STANDARD),
    _SDK: (sys.executable, "-c", _SDK),
    _OURS: (sys.executable, "-c", "import otel_job_measure"),
    "from otel_job_measure import JobMeasure": (sys.executable, "-c", "from otel_job_measure import JobMeasure"),
    _FIRST: (sys.executable, "-c", _APPENDED),
    _LOCAL: (sys.executable, "-c", _ONE_RUN.format("")),
    _TRUE: ("true",),
    _EXEC: (str(PROGRAM), "exec", "--env-file", "/dev/null", "nightly", "--", "true"),
}
_ROUNDS: Final = 2
_HOW: Final = ("--processes", "2", "--values", "2", "--warmups", "1", "--loops", "1", "--quiet")
_MOST_NS: Final = 120_000_000
_OF_SDK: Final = 1.15


def measure(bench: Bench) -> Part:
    """Times each command, by turns.

    Args:
        bench: The folders.
    """
    home = bench.new_folder()
    variables = environment(home) | {
        "OTEL_JOB_MEASURE_STATE_DIR": str(home / "state"),
        "OTEL_JOB_MEASURE_SHIP": "off",
    }
    took_ns = _took_ns(home / "pyperf.json", variables)
    sdk_ns, ours_ns, first_ns = (took_ns[name] - took_ns[_PYTHON] for name in (_SDK, _OURS, _FIRST))
    return Part(
        tables=(_table(took_ns, loaded=_is_loaded(variables)),),
        verdicts=(
            at_most("`exec NAME -- true` over `true` alone", took_ns[_EXEC] - took_ns[_TRUE], _MOST_NS, "ms"),
            at_most("`import otel_job_measure`, against importing the SDK", ours_ns / sdk_ns, _OF_SDK, "times"),
            at_most(
                "a first run with all it imports, the SDK too, against the SDK", first_ns / sdk_ns, _OF_SDK, "times"
            ),
        ),
    )


def _is_loaded(variables: Mapping[str, str]) -> str:
    command = [sys.executable, "-c", _LOADED]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
    return "yes" if done.stdout.strip() == "True" else "no"


def _table(took_ns: Mapping[str, float], *, loaded: str) -> Table:
    return Table(
        name="starts",
        title="Whole commands",
        columns=(
            Column(title="", unit="text"),
            Column(title="median", unit="ms"),
            Column(title="more than Python alone", unit="ms"),
        ),
        rows=tuple(
            (name, each, each - took_ns[_PYTHON] if name not in (_TRUE, _PYTHON) else None)
            for name, each in took_ns.items()
        ),
        note=f"Timed by pyperf. Is influxdb-client loaded in a process that only appends: {loaded}.",
    )


def _took_ns(file: Path, variables: Mapping[str, str]) -> dict[str, float]:
    inherited = ",".join(variables)
    for _ in range(_ROUNDS):
        for name, command in _COMMANDS.items():
            subprocess.run(
                [
                    *(sys.executable, "-m", "pyperf", "command", *_HOW, "--inherit-environ", inherited),
                    *("--append", str(file), "--name", name, "--", *command),
                ],
                cwd=ROOT,
                env=dict(os.environ) | dict(variables),
                stdout=subprocess.DEVNULL,
                check=True,
            )
    suite = library("pyperf").BenchmarkSuite.load(str(file))
    return {name: statistics.median(suite.get_benchmark(name).get_values()) * 1e9 for name in _COMMANDS}
