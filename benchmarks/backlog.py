"""Runs that have happened long ago: segments as dead processes leave them, in numbers that nobody can wait for."""

import itertools
import os
import random
import time
from collections.abc import Iterator
from typing import Final

from benchmarks.contenders.contender import TAGS
from otel_job_measure.journal.protocols import SegmentHeader
from otel_job_measure.journal.segments import create
from otel_job_measure.journal.statedir import StateDir
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.points.rows import ending_lines, start_line
from otel_job_measure.points.runids import new_run_id
from otel_job_measure.points.series import Series
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.runtime.places import identity_of
from otel_job_measure.settings import Settings

LINES_A_RUN: Final = 3
_JOBS: Final = 20
_FAILED_OF: Final = 20
_APART_NS: Final = 1_000_000
_SLOT: Final = 123
_FAILED: Final = Outcome(reason="error", error_type="ValueError")


def leave(settings: Settings, *, runs: int, runs_a_segment: int) -> None:
    """Fills `ready/` of a state directory.

    Args:
        settings: Its state directory and its destination.
        runs: How many runs in all; they began before now, about a millisecond apart, and took up to a minute.
        runs_a_segment: How many of them each segment holds.
    """
    state = StateDir(settings.state_path)
    state.make()
    identity = identity_of(settings)
    written = lines(identity.host, runs)
    for _ in range(0, runs, runs_a_segment):
        header = SegmentHeader(
            host=identity.host,
            boot_id=identity.boot_id,
            slot=0,
            ordinal=0,
            created_ns=time.time_ns(),
            destination=identity.destination,
            label=identity.label,
            runs=True,
        )
        content = b"".join(itertools.islice(written, runs_a_segment))
        fd, _, _ = create(state.ready, header, content)
        os.close(fd)


def lines(host: str, runs: int) -> Iterator[bytes]:
    """Gives the lines of each run: its start, its row, its end.

    Args:
        host: Where they ran.
        runs: How many.
    """
    tags = DefaultTags(**TAGS)
    jobs = [Series(f"job-{number:02}", tags) for number in range(_JOBS)]
    chance = random.Random(4)  # noqa: S311 - no secret
    begin_ns = time.time_ns() // 1000 * 1000 - runs * _APART_NS
    for number in range(runs):
        series, uuid = jobs[number % _JOBS], new_run_id()
        start_ns = begin_ns + number * _APART_NS + chance.randrange(900) * 1000 + _SLOT
        took_ns = chance.randrange(1, 60_000_000) * 1000
        yield start_line(series, uuid, start_ns) + ending_lines(
            series,
            uuid=uuid,
            outcome=_FAILED if number % _FAILED_OF == 0 else ENDED,
            end_ns=start_ns + took_ns,
            duration_s=took_ns / 1e9,
            host=host,
            trace_id=f"{chance.getrandbits(128):032x}",
            span_id=f"{chance.getrandbits(64):016x}",
            run_row=True,
            error_message=False,
        )
