"""The bound on what the state directory holds."""

import os
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Identity, SegmentHeader
from otel_job_measure.journal.maintenance import Bound, enforce, maintain
from otel_job_measure.journal.segment import encode_header
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.offline_source import OfflineSource
from otel_job_measure.testing import ManualClock
from tests.journal.support import begin, finish, journal_in, points_in, source_of, statuses

LINE = b'scheduling-job,job=x status="start",uuid="0123456789AB" 1\n'
HEADER = SegmentHeader(
    Identity(host="h", boot_id="b", destination="local", label="", runs=True), slot=1, ordinal=0, created_ns=1
)


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """A state directory with four segments of ten points in `ready/`, the oldest first in the alphabet too."""
    made = StateDir(tmp_path / "state")
    made.make()
    for number, name in enumerate("abcd"):
        path = made.ready / f"{name}.lp"
        path.write_bytes(encode_header(HEADER) + 10 * LINE)
        os.utime(path, ns=(number, number))
    return made


def left(state: StateDir) -> list[str]:
    """Returns the names of what is left in `ready/`."""
    return sorted(path.stem for path in state.ready.iterdir())


def test_below_the_bound_nothing_goes(state: StateDir) -> None:
    """There is room."""
    enforce(state, Bound(max_bytes=1 << 20, counters=Counters(), is_delivered=lambda _name: False))
    assert left(state) == ["a", "b", "c", "d"]


def test_the_oldest_undelivered_go_counted_and_with_an_error(state: StateDir, caplog: pytest.LogCaptureFixture) -> None:
    """Half the room: the two oldest go, and their twenty points are counted under `max_bytes`."""
    counters = Counters()
    size = sum(path.stat().st_size for path in state.ready.iterdir())
    enforce(state, Bound(max_bytes=size // 2, counters=counters, is_delivered=lambda _name: False))
    assert left(state) == ["c", "d"]
    assert (counters.now().dropped, counters.now().given_up) == ({"max_bytes": 20}, 0)  # they were others'
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_what_influxdb_has_goes_first_and_is_no_loss(state: StateDir, caplog: pytest.LogCaptureFixture) -> None:
    """Only the history lacks it: it is deleted before anything older, and nothing is counted."""
    counters = Counters()
    size = sum(path.stat().st_size for path in state.ready.iterdir())
    enforce(state, Bound(max_bytes=size - 1, counters=counters, is_delivered=lambda name: name == "d.lp"))
    assert left(state) == ["a", "b", "c"]
    assert counters.now().dropped == {}
    assert not caplog.records


def test_living_segments_are_never_touched(state: StateDir) -> None:
    """The newest segment of a slot says what is open; it stays however small the bound."""
    slot = state.slots / "001"
    slot.mkdir()
    (slot / "e.lp").write_bytes(encode_header(HEADER) + LINE)
    enforce(state, Bound(max_bytes=1, counters=Counters(), is_delivered=lambda _name: False))
    assert left(state) == []
    assert (slot / "e.lp").exists()


def test_what_is_no_segment_neither_counts_nor_stops_the_bound(state: StateDir) -> None:
    """A link, a pipe and a huge sparse line stay where they are, unread, and the bound holds for the rest."""
    (state.ready / "0.lp").symlink_to("/etc/passwd")
    os.mkfifo(state.ready / "1.lp")
    with (state.ready / "2.lp").open("wb") as file:
        file.truncate(8 * 1024**3)
    for number in range(3):
        os.utime(state.ready / f"{number}.lp", ns=(0, 0), follow_symlinks=False)
    size = (state.ready / "a.lp").stat().st_size
    counters = Counters()
    enforce(state, Bound(max_bytes=2 * size, counters=counters, is_delivered=lambda _name: False))
    assert left(state) == ["0", "1", "2", "c", "d"]
    assert counters.now().dropped == {"max_bytes": 20}


def test_a_file_that_cannot_be_deleted_stops_no_other(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be another user's; the bound holds as far as it can."""
    unlink = Path.unlink

    def denied(path: Path) -> None:
        if path.name == "a.lp":
            raise PermissionError(path)
        unlink(path)

    monkeypatch.setattr(Path, "unlink", denied)
    enforce(state, Bound(max_bytes=1, counters=Counters(), is_delivered=lambda _name: False))
    assert left(state) == ["a"]


@pytest.mark.usefixtures("small_segments")
def test_a_process_that_nobody_ships_for_stays_below_the_bound(tmp_path: Path) -> None:
    """Its own closed segments go, the oldest first, counted; its open run is still in the newest."""
    journal = journal_in(tmp_path, max_bytes=100_000)
    still_open = begin(journal)
    for _ in range(600):
        finish(journal, begin(journal))
    source_of(journal, max_bytes=100_000).recover()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.lp")) <= 100_000
    kept = statuses(points_in(tmp_path))
    assert kept[still_open] == ["start"] * len(kept[still_open])
    counts = journal._counters.now()
    assert counts.dropped["max_bytes"] == counts.given_up > 0
    assert {segment.name for segment in journal.own()} == {path.name for path in tmp_path.rglob("*.lp")}


@pytest.mark.parametrize("reader", ["ship", "a command that reads"])
def test_the_bound_holds_whichever_process_maintains(state: StateDir, reader: str) -> None:
    """Jobs append, the server is down, and a reader makes a recovery pass each second: it must not starve the bound."""
    clock = ManualClock(wall=SystemClock.wall_ns())
    source = OfflineSource(
        state,
        "local",
        [],
        clock=clock,
        boot_id="b",
        bound=Bound(max_bytes=20_000, counters=Counters(), is_delivered=lambda _name: False),
    )
    shipless = journal_in(state.root, clock=clock)
    begin(shipless)
    appending = source_of(shipless, max_bytes=20_000)
    for second in range(90):
        path = state.ready / f"local-{second:03}.lp"
        path.write_bytes(encode_header(HEADER) + 20 * LINE)
        clock.advance(1)
        if reader == "ship":
            source.recover()
        else:
            maintain(state, clock=clock, boot_id="b", bound=None, always=True)
        if second % 30 == 0:
            appending.recover()
        growth = 30 * path.stat().st_size if path.exists() else 0
        assert sum(file.stat().st_size for file in state.ready.iterdir()) <= 20_000 + growth
    clock.advance(30)
    (source if reader == "ship" else appending).recover()
    assert sum(file.stat().st_size for file in state.root.rglob("*.lp")) <= 20_000


def test_the_first_process_of_a_state_directory_keeps_the_bound(state: StateDir) -> None:
    """The file that notes the maintenance is made by the maintenance itself."""
    maintain(
        state,
        clock=SystemClock(),
        boot_id="b",
        bound=Bound(max_bytes=100, counters=Counters(), is_delivered=lambda _name: False),
    )
    assert left(state) == []
    assert not state.needs_maintenance(SystemClock())
