import json
import logging
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.delivery.checkpoints import FileCheckpoints
from otel_job_measure.delivery.consumer import Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop, RecoveryPass
from otel_job_measure.delivery.influxdb.sink import InfluxSink
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Segment
from tests.delivery.support import FakeSource, ListRejects, TinyServer, line, segment, settings_for


def no_offset(_segment: str) -> int:
    """Knows no segment."""
    return 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where positions are kept."""
    return tmp_path / "shipped.json"


def test_what_was_sent_is_remembered(path: Path) -> None:
    """The next process knows how far each segment was sent, and what is gone is not kept."""
    first = FileCheckpoints(path, "d")
    first.advance({"a": 10, "b": 20})
    first.advance({"a": 15})
    first.forget(["b", "c"])
    again = FileCheckpoints(path, "d")
    assert (again.offset("a", no_offset), again.offset("b", no_offset)) == (15, 0)
    again.keep_only(frozenset({"z"}))
    assert FileCheckpoints(path, "d").offset("a", no_offset) == 0


def test_destinations_do_not_mix(path: Path) -> None:
    """Two destinations share the file and keep their own positions."""
    one, other = FileCheckpoints(path, "one"), FileCheckpoints(path, "other")
    one.advance({"a": 1})
    other.advance({"a": 2})
    one.advance({"b": 3})
    assert FileCheckpoints(path, "other").offset("a", no_offset) == 2
    assert FileCheckpoints(path, "one").offset("b", no_offset) == 3


def test_the_file_is_the_users_alone(path: Path) -> None:
    """Only its owner can read the file, and no other file is left in the folder."""
    FileCheckpoints(path, "d").advance({"a": 1})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir() if entry.is_file()] == ["shipped.json"]


@given(
    content=st.binary(max_size=50)
    | st.sampled_from([b"[]", b"null", b'{"format":2}', b'{"format":1,"destinations":3}'])
)
def test_a_broken_file_is_no_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is in the file, points are at worst sent once more."""
    path = tmp_path_factory.mktemp("progress") / "shipped.json"
    path.write_bytes(content)
    progress = FileCheckpoints(path, "d")
    assert progress.offset("a", no_offset) == 0
    progress.advance({"a": 5})
    assert json.loads(path.read_bytes()) == {"format": 1, "destinations": {"d": {"a": 5}}}


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a place to note positions everything is delivered, and one warning says that it will be sent again."""
    caplog.set_level(logging.INFO)
    progress = FileCheckpoints(tmp_path / "missing" / "shipped.json", "d")
    progress.advance({"a": 1})
    progress.advance({"a": 2})
    assert progress.offset("a", no_offset) == 2
    assert len([record for record in caplog.records if "cannot be saved" in record.message]) == 1


def still_written(segment: Segment, *, is_lost: bool = False) -> None:
    """Drops nothing, as for a segment that a living process writes."""


def test_segments_of_living_processes_are_read_on(tiny: TinyServer, path: Path) -> None:
    """A command that ships for others sends each point once, also when it is started again."""
    living = segment("living", line(1))
    source = FakeSource()
    source.segments = []
    source.others = [living]
    source.drop = still_written  # type: ignore[method-assign]

    def look() -> RecoveryPass:
        sink = InfluxSink(settings_for(tiny.url), Counters(), ListRejects())
        rounds = DeliveryLoop(source, [Consumer(sink, checkpoints=FileCheckpoints(path, "d"))])
        found = rounds.recover(lambda: True)
        rounds.close()
        return found

    for number in range(2, 5):
        assert look() == RecoveryPass(pending_bytes=0)
        living.data += line(number) + b"\n"
    assert look() == RecoveryPass(pending_bytes=0)
    assert [request.lines for request in tiny.requests] == [[line(number)] for number in range(1, 5)]
    source.others = [segment("other", line(9))]
    look()
    assert list(json.loads(path.read_bytes())["destinations"]["d"]) == ["other"]


def test_what_is_gone_is_forgotten_while_the_command_runs(tiny: TinyServer, path: Path) -> None:
    """Positions of segments that were deleted don't pile up in the file."""
    source = FakeSource()
    source.segments = []
    source.others = [segment("a", line(1)), segment("b", line(2))]
    sink = InfluxSink(settings_for(tiny.url), Counters(), ListRejects())
    rounds = DeliveryLoop(source, [Consumer(sink, checkpoints=FileCheckpoints(path, "d"))])
    rounds.recover(lambda: True)
    assert source.others == []
    rounds.recover(lambda: True)
    rounds.close()
    assert json.loads(path.read_bytes())["destinations"] == {}
