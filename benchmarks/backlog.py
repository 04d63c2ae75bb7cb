"""Runs of the past: segments as dead processes leave them, made faster than by running jobs."""

import itertools
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks.contenders.contender import TAGS
from otel_job_measure.journal.interfaces import SegmentHeader
from otel_job_measure.journal.segment import encode_header, new_name
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.outcome import ENDED, Ending, Outcome
from otel_job_measure.points.rows import Series, ending_lines, start_line
from otel_job_measure.points.run_ids import new_run_id
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.runtime.assembly import identity_of
from otel_job_measure.settings import Settings

LINES_A_RUN: Final = 3
MOST: Final = 1_000_000
CHUNK: Final = 20_000
"""How many runs are made at a time."""
_JOBS: Final = 20
_FAILED_OF: Final = 20
_APART_NS: Final = 1_000_000
_SLOT: Final = 123
_FAILED: Final = Outcome(reason="error", error_type="ValueError")


class Backlog:
    """Runs that are made once, on every core, and left behind in as many state directories as are wanted.

    Args:
        folder: Keeps them; it is made where it isn't there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begin_ns = time.time_ns() - MOST * _APART_NS

    def runs(self, runs: int) -> Iterator[bytes]:
        """Gives the lines of each run: its start, its row, its end.

        Args:
            runs: How many, at most `MOST`; they began before now, about a millisecond apart, and took up to a minute.
        """
        rows = itertools.chain.from_iterable(chunk.splitlines(keepends=True) for chunk in self._chunks(runs))
        return (b"".join(itertools.islice(rows, LINES_A_RUN)) for _ in range(runs))

    def leave(self, settings: Settings, *, runs: int, runs_a_segment: int) -> None:
        """Fills `ready/` of a state directory.

        Args:
            settings: Its state directory and its destination.
            runs: How many runs in all.
            runs_a_segment: How many of them each segment holds.
        """
        state = StateDir(settings.state_path)
        state.make()
        destination, header = _header(settings)
        for content in self._contents(runs, runs_a_segment):
            # No other process reads here: no rename into place, which takes three times as long.
            fd = os.open(f"{state.ready}/{new_name(destination)}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(fd, header + content)
            os.close(fd)

    def _contents(self, runs: int, runs_a_segment: int) -> Iterator[bytes]:
        if runs_a_segment == CHUNK and runs % CHUNK == 0:
            return self._chunks(runs)
        each = self.runs(runs)
        return (b"".join(itertools.islice(each, runs_a_segment)) for _ in range(0, runs, runs_a_segment))

    def _chunks(self, runs: int) -> Iterator[bytes]:
        """Yields the runs in groups, and makes each at its first use."""
        self._folder.mkdir(exist_ok=True)
        files = {self._folder / str(number): number for number in range(-(-runs // CHUNK))}
        missing = [(file, number, self._begin_ns) for file, number in files.items() if not file.exists()]
        if missing:
            with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=get_context("spawn")) as pool:
                list(pool.map(_make, missing))
        return (file.read_bytes() for file in files)


def lines(host: str, runs: int) -> Iterator[bytes]:
    """Gives the lines of each run: its start, its row, its end.

    Args:
        host: Where they ran.
        runs: How many; the last of them have just begun.
    """
    return _lines(host, range(runs), time.time_ns() - runs * _APART_NS)


def _make(told: tuple[Path, int, int]) -> None:
    file, number, begin_ns = told
    numbers = range(number * CHUNK, (number + 1) * CHUNK)
    file.write_bytes(b"".join(_lines(identity_of(Settings()).host, numbers, begin_ns)))


def _lines(host: str, numbers: range, begin_ns: int) -> Iterator[bytes]:
    tags = DefaultTags(**TAGS)
    jobs = [Series(f"job-{number:02}", tags) for number in range(_JOBS)]
    chance = random.Random(numbers.start)  # noqa: S311 - no secret
    begin_ns = begin_ns // 1000 * 1000
    for number in numbers:
        series, uuid = jobs[number % _JOBS], new_run_id()
        start_ns = begin_ns + number * _APART_NS + chance.randrange(900) * 1000 + _SLOT
        took_ns = chance.randrange(1, 60_000_000) * 1000
        yield start_line(series, uuid, start_ns) + ending_lines(
            series,
            Ending(
                uuid=uuid,
                outcome=_FAILED if number % _FAILED_OF == 0 else ENDED,
                end_ns=start_ns + took_ns,
                duration_s=took_ns / 1e9,
                host=host,
                trace_id=f"{chance.getrandbits(128):032x}",
                span_id=f"{chance.getrandbits(64):016x}",
            ),
            run_row=True,
            error_message=False,
        )


def _header(settings: Settings) -> tuple[str, bytes]:
    """Returns the destination of a segment, as its name tells it, and its first line."""
    identity = identity_of(settings)._replace(runs=True)
    header = SegmentHeader(identity, slot=0, ordinal=0, created_ns=time.time_ns())
    return header.destination, encode_header(header)
