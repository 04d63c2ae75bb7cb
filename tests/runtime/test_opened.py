"""What `exec` opens: a journal at once, and delivery when it is asked for."""

from pathlib import Path

import pytest

from otel_job_measure import Settings
from otel_job_measure.points.outcome import ENDED
from otel_job_measure.runtime import OpenedRecorder, open_recorder
from otel_job_measure.settings import Arguments
from otel_job_measure.spans.run import Run
from tests.delivery.support import TinyServer
from tests.runtime.support import delivered, history, segments, there


def measured(opened: OpenedRecorder, *, delivers: bool) -> bool:
    """Measures a run as `exec` does, and closes."""
    run = Run("nightly")
    opened.recorder.prepare(run)
    opened.recorder.start(run)
    if delivers:
        opened.deliver()
    opened.recorder.settle(run, ENDED)
    opened.recorder.end(run)
    return opened.close(10)


def test_it_delivers_when_it_is_asked_to(server: TinyServer, state_dir: Path) -> None:
    """Start and end are there, and no segment is left but for the history."""
    assert measured(open_recorder(Settings(**there(server.url, state_dir=state_dir))), delivers=True)
    assert delivered(server) == ["nightly"]
    assert segments(state_dir) == []
    assert history(state_dir) == [("nightly", "end", None)]


def test_it_delivers_nothing_before(server: TinyServer, state_dir: Path) -> None:
    """One that is closed without has its segment sent by the next process, and says that not all is sent."""
    assert not measured(open_recorder(Settings(**there(server.url, state_dir=state_dir))), delivers=False)
    assert server.requests == []
    assert [path.parent.name for path in segments(state_dir)] == ["ready"]


@pytest.mark.parametrize("more", [{}, {"ship": False}])
def test_without_anywhere_to_deliver_it_leaves_everything_to_others(more: Arguments, state_dir: Path) -> None:
    """All is on disk, where whoever reads the history or ships finds it."""
    arguments: Arguments = {"state_dir": state_dir, **more}
    assert measured(open_recorder(Settings(**arguments)), delivers=True)
    assert [path.parent.name for path in segments(state_dir)] == ["ready"]
    assert history(state_dir) == [("nightly", "end", None)]
