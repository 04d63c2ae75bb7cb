from pathlib import Path

import pytest

from benchmarks.backlog import CHUNK, LINES_A_RUN, Backlog
from otel_job_measure.journal.segment import decode_header
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings

RUNS = 2 * CHUNK


@pytest.fixture(scope="module")
def backlog(tmp_path_factory: pytest.TempPathFactory) -> Backlog:
    """Returns a backlog that is made once for all of these tests."""
    made = Backlog(tmp_path_factory.mktemp("made") / "backlog")
    assert sum(1 for _ in made.runs(RUNS)) == RUNS
    return made


def test_runs_differ_and_come_again(backlog: Backlog) -> None:
    """Each run has its lines and its own id; asking again gives the same."""
    few = list(backlog.runs(1000))
    assert {run.count(b"\n") for run in few} == {LINES_A_RUN}
    assert len({run.partition(b'uuid="')[2][:12] for run in backlog.runs(RUNS)}) == RUNS
    assert list(backlog.runs(1000)) == few


@pytest.mark.parametrize(("runs", "a_segment"), [(RUNS, CHUNK), (1000, CHUNK), (5, 1)])
def test_segments_are_left_as_dead_processes_leave_them(
    backlog: Backlog, tmp_path: Path, runs: int, a_segment: int
) -> None:
    """They are found as segments that wait, with a header each, and hold every run once."""
    settings = Settings(state_dir=tmp_path / "state")
    backlog.leave(settings, runs=runs, runs_a_segment=a_segment)
    segments = StateDir(settings.state_path).ready_segments()
    assert len(segments) == -(-runs // a_segment)
    lines = 0
    for file in StateDir(settings.state_path).ready.iterdir():
        header, *rest = file.read_bytes().splitlines(keepends=True)
        assert decode_header(header).destination == file.name.rpartition("-")[0]
        lines += len(rest)
    assert lines == runs * LINES_A_RUN
