"""The runs that are open now, by the segments of living processes: for a process that sends or reads in their place."""

from collections.abc import Callable, Iterator
from pathlib import Path

from otel_job_measure.clock import Clock
from otel_job_measure.journal import slots
from otel_job_measure.journal.recovery import Runs
from otel_job_measure.journal.segment import SegmentFile
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.journal.vitals import OpenStart

_READ = 1024 * 1024
_FRESH_NS = 60_000_000_000
"""How old the last sign of life may be: with an open run, a process gives one every 10 s."""


class LivingRuns:
    """Finds the open runs in the newest segment of each living slot; it reads each segment onward from the last look.

    `is_wanted` returns whether the segments of a destination count.
    """

    def __init__(self, state: StateDir, clock: Clock, *, is_wanted: Callable[[str], bool] = bool) -> None:
        self._state = state
        self._clock = clock
        self._is_wanted = is_wanted
        self._known: dict[str, _Reader] = {}

    def open_runs(self) -> list[OpenStart]:
        """Returns the start lines of the runs that are open, with the host and the slot of their process."""
        readers: dict[str, _Reader] = {}
        for segment in self._living():
            reader = readers[segment.name] = self._known.get(segment.name) or _Reader()
            reader.read_on(segment)
        self._known = readers
        return [start for reader in readers.values() for start in reader.starts]

    def _living(self) -> Iterator[SegmentFile]:
        for folder in self._state.slot_folders():
            newest = next(reversed(self._state.segments_of(folder)), None)
            if newest is not None and self._is_wanted(newest.header.destination) and self._is_alive(folder, newest):
                yield newest

    def _is_alive(self, folder: Path, newest: SegmentFile) -> bool:
        """Returns whether the process gave a sign of life lately and has its lock: a stopped one has only the lock."""
        try:
            written_ns = newest.path.lstat().st_mtime_ns
        except OSError:
            return False
        return written_ns >= self._clock.wall_ns() - _FRESH_NS and slots.is_living(folder)


class _Reader:
    """What one segment says of its runs, so far as it was read."""

    def __init__(self) -> None:
        self._offset = 0
        self._runs = Runs(0)
        self.starts: list[OpenStart] = []

    def read_on(self, segment: SegmentFile) -> None:
        while data := segment.read(self._offset, _READ):
            self._offset += len(data)
            for line in data.split(b"\n"):
                self._runs.note(line)
            self._runs.forget_closed()
        header = segment.header
        starts = (self._runs.begun | self._runs.started).values()
        self.starts = [OpenStart(line, header.slot, header.host) for line in starts]
