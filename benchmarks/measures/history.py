"""A history of a million runs: how fast it is made, and how fast it answers."""

import sqlite3
import statistics
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from benchmarks.backlog import CHUNK, LINES_A_RUN, MOST
from benchmarks.bench import Bench
from benchmarks.commands import Done, command
from benchmarks.tables import Column, Part, Table, at_least, at_most
from otel_job_measure.history import ingest
from otel_job_measure.history.row_parser import LineReader
from otel_job_measure.history.run_record import Batch
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.history_reader import history_of
from otel_job_measure.settings import Settings

_RUNS: Final = MOST
_FEW: Final = 10_000
_TIMES: Final = 3
_MOST_S: Final = 1.0
_FLAT: Final = 1.2
_FOLDED: Final = 80_000.0
_BYTES: Final = 250.0
_QUESTIONS: Final = (
    ("runs",),
    ("runs", "--json", "--limit", "1000"),
    ("runs", "--job", "job-07", "--status", "failed"),
    ("runs", "--status", "lost"),
    ("runs", "--since", "1h"),
)


def measure(bench: Bench) -> Part:
    """Folds a million runs, then asks.

    Args:
        bench: The folders.
    """
    few, many = (_Folded(bench, runs) for runs in (_FEW, _RUNS))
    answers = {" ".join(question): (*few.answer(*question), *many.answer(*question)) for question in _QUESTIONS}
    slowest_s = max(took_s for _, _, took_s, _ in answers.values())
    growth = max(memory / before for _, before, _, memory in answers.values())
    note = (
        f"{LINES_A_RUN * _RUNS:,} lines were folded in at {many.rate:,.0f} lines/s, in transactions; the file has "
        f"{many.bytes_a_run:.0f} bytes a run."
    )
    return Part(
        tables=(_table(answers, note), _parts(bench, many.rate)),
        verdicts=(
            at_least("folding into the history", many.rate, _FOLDED, "per second"),
            at_most(f"the slowest question over {_RUNS:,} runs", slowest_s, _MOST_S, "s"),
            at_most(f"memory over {_RUNS:,} runs, against {_FEW:,}", growth, _FLAT, "times"),
            at_most("the history, bytes a run", many.bytes_a_run, _BYTES, "bytes"),
        ),
    )


def _table(answers: Mapping[str, tuple[float, int, float, int]], note: str) -> Table:
    return Table(
        name="history",
        title=f"`otel-job-measure` over histories of {_FEW:,} and {_RUNS:,} runs",
        columns=(
            Column(title="", unit="text"),
            *(
                Column(title=f"{runs:,} runs, {what}", unit=unit)
                for runs in (_FEW, _RUNS)
                for what, unit in (("whole command", "s"), ("memory", "MiB"))
            ),
        ),
        rows=tuple((question, *answer) for question, answer in answers.items()),
        note=note,
    )


def _parts(bench: Bench, rate: float) -> Table:
    """Shows what folding takes without a disk, in this process."""
    data, reader, read_ns, insert_ns = b"".join(bench.backlog.runs(_FEW)), LineReader(), [0.0], [0.0]
    for _ in range(_TIMES):
        batch, began = Batch(), time.perf_counter_ns()
        reader.read(data, batch)
        read_ns.append((time.perf_counter_ns() - began) / _FEW)
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript((Path(ingest.__file__).parent / "schema.sql").read_text())
            began = time.perf_counter_ns()
            ingest.fold(connection, batch, [], time.time_ns())
            insert_ns.append((time.perf_counter_ns() - began) / _FEW)
    return Table(
        name="folding",
        title="What folding a run takes: its three lines become a row",
        columns=(Column(title="", unit="text"), Column(title="a run", unit="us")),
        rows=(
            ("to read its lines", statistics.median(read_ns[1:])),
            ("to insert its row, with its indexes, in memory", statistics.median(insert_ns[1:])),
            ("all of it, as the command does it", 1e9 * LINES_A_RUN / rate),
        ),
    )


class _Folded:
    """A history that has everything.

    Args:
        bench: The folders.
        runs: How many runs it has.
    """

    def __init__(self, bench: Bench, runs: int) -> None:
        self._home = bench.new_folder()
        settings = Settings(state_dir=self._home / "state")
        bench.backlog.leave(settings, runs=runs, runs_a_segment=CHUNK)
        state = StateDir(settings.state_path)
        segments = state.ready_segments()
        began_s = time.perf_counter()
        behind = history_of(settings).catch_up(segments, within_s=600)
        self.rate = runs * LINES_A_RUN / (time.perf_counter() - began_s)
        if behind.points:
            raise RuntimeError(f"the history is behind: {behind.why}")
        for segment in segments:
            segment.delete()
        self.bytes_a_run = state.history.stat().st_size / runs

    def answer(self, *question: str) -> tuple[float, int]:
        """Asks a question some times.

        Returns:
            The median of the seconds, and the most bytes of memory.
        """
        done: list[Done] = [self._ask(*question) for _ in range(_TIMES)]
        return statistics.median(each.took_s for each in done), max(each.peak_bytes for each in done)

    def _ask(self, *question: str) -> Done:
        variables = {"OTEL_JOB_MEASURE_STATE_DIR": str(self._home / "state")}
        return command(*question, "--env-file", "/dev/null", home=self._home, variables=variables)
