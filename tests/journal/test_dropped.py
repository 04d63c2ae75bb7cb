"""Which times are noted when rows are deleted before the history had them."""

import os
from pathlib import Path

import pytest

from otel_job_measure.journal import dropped
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.maintenance import Bound, enforce
from otel_job_measure.journal.segment import encode_header
from otel_job_measure.journal.state_dir import StateDir
from tests.journal.test_maintenance import HEADER, LINE


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory with two segments and a file of dead letters."""
    made = StateDir(tmp_path)
    made.make()
    for number, folder in enumerate((made.ready, made.ready, made.rejected)):
        path = folder / f"{number}.lp"
        path.write_bytes(encode_header(HEADER._replace(created_ns=100 * number + 1)) + LINE)
        os.utime(path, ns=(100 * number + 50, 100 * number + 50))
    return made


def _bound(*recorded: str) -> Bound:
    return Bound(
        max_bytes=0,
        counters=Counters(),
        is_delivered=lambda name: name == "1.lp",
        is_recorded=lambda name, _size: name in recorded,
    )


@pytest.mark.parametrize(("recorded", "times"), [((), ((1, 150),)), (("0.lp",), ((101, 150),)), (("0.lp", "1.lp"), ())])
def test_what_the_history_never_got_is_noted(
    state: StateDir, recorded: tuple[str, ...], times: tuple[dropped.Time, ...]
) -> None:
    """Also what only InfluxDB has; what the history has leaves no gap in it, and dead letters were in it before."""
    enforce(state, _bound(*recorded))
    assert dropped.times(state.root) == times
    assert not [*state.ready.iterdir(), *state.rejected.iterdir()]


def test_many_times_stay_a_small_file(tmp_path: Path) -> None:
    """The oldest become one, so that no time is forgotten."""
    for number in range(300):
        dropped.note(tmp_path, (number * 10, number * 10 + 5))
    found = dropped.times(tmp_path)
    assert (len(found), found[0], found[-1]) == (100, (0, 2005), (2990, 2995))


@pytest.mark.parametrize("content", [b"1\n", b"1 2 3\n", b"a b\n", b"\xff", b"1 2\n" * 100_000])
def test_a_damaged_file_says_nothing(tmp_path: Path, content: bytes) -> None:
    """The next time is noted all the same."""
    (tmp_path / dropped.FILE).write_bytes(content)
    assert dropped.times(tmp_path) == ()
    dropped.note(tmp_path, (1, 2))
    assert dropped.times(tmp_path) == ((1, 2),)


def test_a_full_disk_ends_no_deletion(tmp_path: Path) -> None:
    """The file cannot be written; the error log has the number of points."""
    dropped.note(tmp_path / "none", (1, 2))
    assert dropped.times(tmp_path / "none") == ()
