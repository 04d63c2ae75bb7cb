"""Sending refused lines again: put among what waits first, so that nothing is lost, and then sent at once."""

import contextlib
import os
import sys
from collections.abc import Collection, Generator, Iterable, Sequence
from pathlib import Path

from otel_job_measure.cli.mending import Mended
from otel_job_measure.clock import SystemClock
from otel_job_measure.delivery.checkpoints import FileProgress
from otel_job_measure.delivery.consumer import EAGER, LAZY, Consumer
from otel_job_measure.delivery.delivery_loop import DeliveryLoop
from otel_job_measure.delivery.suppress_tracing import untraced
from otel_job_measure.errors import SettingsError
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Segment, SegmentHeader
from otel_job_measure.journal.rejected_lines import Rejected, RejectedLines
from otel_job_measure.journal.segment import SegmentFile, create
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.assembly import history_sink, server_sink
from otel_job_measure.runtime.history_reader import opened
from otel_job_measure.runtime.places import identity_of
from otel_job_measure.settings import Destination, Settings


class Retry:
    """Sends lines to the destination of the settings.

    Args:
        state_dir: The state directory, where it is not the setting's.
        kept: What was refused.

    Raises:
        SettingsError: There is no destination.
        StateDirError: The state directory cannot be used.
    """

    def __init__(self, state_dir: Path | None, kept: RejectedLines) -> None:
        self._settings = Settings.from_env(state_dir=state_dir)
        if self._settings.destination is None:
            raise SettingsError(
                "nothing says where to send them: set INFLUXDB_URL, INFLUXDB_ORG and INFLUXDB_BUCKET, or"
                " OTEL_JOB_MEASURE_SINK=otlp"
            )
        self._state = opened(self._settings)
        self._kept = kept
        self._clock = SystemClock()

    def send_as_they_are(self, found: Sequence[Rejected]) -> int:
        """Sends lines as they were refused, those of this destination; returns the exit code."""
        here = [one for one in found if one.destination == self._settings.destination_id]
        if len(here) < len(found):
            others = len(found) - len(here)
            print(f"{others} lines that another destination refused are left alone", file=sys.stderr)
        return self.send([Mended(line=one.line, instead_of=one.id) for one in here], about={one.id for one in here})

    def send(self, lines: Sequence[Mended], *, about: Collection[str]) -> int:
        """Sends lines, and deletes the refused ones that they take the place of; returns the exit code.

        Args:
            lines: The lines.
            about: The ids that may be meant.
        """
        if not lines:
            print("nothing is sent", file=sys.stderr)
            return 0
        unknown = sorted({line.instead_of for line in lines if line.instead_of} - set(about))
        if unknown:
            print(f"no longer among the refused lines, and sent all the same: {', '.join(unknown)}", file=sys.stderr)
        segment = self._put(b"".join(line.line + b"\n" for line in lines))
        self._kept.take_out({line.instead_of for line in lines if line.instead_of})
        if isinstance(self._settings.destination, Destination) and not self._has_token():
            print(f"{len(lines)} lines wait for `otel-job-measure ship`: there is no token here")
            return 0
        return self._deliver(segment)

    def _has_token(self) -> bool:
        return self._settings.influxdb_token is not None or self._settings.influxdb_token_file is not None

    def _put(self, lines: bytes) -> SegmentFile:
        """Puts lines among what waits: from here on they are as safe as any others."""
        identity = identity_of(self._settings)
        header = SegmentHeader(
            host=identity.host,
            boot_id=identity.boot_id,
            slot=0,
            ordinal=0,
            created_ns=self._clock.wall_ns(),
            destination=identity.destination,
            label=identity.label,
            runs=identity.runs,
        )
        fd, path, _ = create(self._state.ready, header, lines)
        os.close(fd)
        return SegmentFile(path, header)

    def _deliver(self, segment: SegmentFile) -> int:
        settings, counters = self._settings, Counters()
        progress = FileProgress(self._state.positions, settings.destination_id)
        server = Consumer(
            server_sink(settings, counters, clock=self._clock, progress=progress), EAGER, clock=self._clock
        )
        history = history_sink(settings, clock=self._clock, alone=True)
        consumers = [server] if history is None else [server, Consumer(history, LAZY, clock=self._clock)]
        rounds = DeliveryLoop(_Alone(self._state, segment), consumers, clock=self._clock)
        looked = untraced(lambda: rounds.look(lambda: True))
        rounds.close()
        counts = counters.now()
        if looked.elsewhere:
            print("the lines are among what waits: another process is sending just now, and takes them with it")
            return 0
        print(f"{counts.delivered} points accepted, {counts.rejected} rejected, {counts.expired} expired")
        if server.failing:
            print(f"what could not be sent waits, and is sent like all others: {server.words}", file=sys.stderr)
        if counts.rejected:
            print("what was refused again is kept as it is now: see `otel-job-measure rejected`", file=sys.stderr)
        return 1 if server.failing or counts.rejected else 0


class _Alone:
    """One segment in `ready/`, and nothing else.

    Args:
        state: The state directory.
        segment: The segment.
    """

    def __init__(self, state: StateDir, segment: SegmentFile) -> None:
        self._state = state
        self._segment = segment

    def own(self) -> Sequence[Segment]:
        """Returns nothing: this process writes no points."""
        return ()

    @contextlib.contextmanager
    def left(self) -> Generator[Iterable[Sequence[Segment]] | None]:
        """Holds `adopt.lock` and gives the segment; None where another process holds it."""
        with self._state.adopting() as held:
            yield [[self._segment]] if held else None

    def recover(self) -> None:
        """Adopts nothing: that is for others."""

    def maintain(self) -> None:
        """Has nothing of its own to look after."""

    def drop(self, segment: Segment) -> None:
        """Deletes the segment when every sink has it."""
        segment.delete()
