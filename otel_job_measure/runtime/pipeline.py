"""The pipeline of a process: its journal for one destination, and the shipper that empties it.

Every `JobMeasure` with one state directory and destination shares a pipeline.
"""

import atexit
import contextlib
import sys
import threading
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from otel_job_measure import forks
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Journal, Position
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.rate_limited_log import LOG
from otel_job_measure.runtime.assembly import StoreOpener, dies_with_process, identity_of, in_usable_place, make_shipper
from otel_job_measure.runtime.loops import beside_loop, is_asyncio
from otel_job_measure.settings import Settings
from otel_job_measure.spans.guard import Guards
from otel_job_measure.spans.recorder import Recorder

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from otel_job_measure.delivery.health import Health
    from otel_job_measure.delivery.server_sink import ServerSink
    from otel_job_measure.delivery.shipper import Shipper
    from otel_job_measure.expectations.expectation import DueList, JobId
    from otel_job_measure.journal.maintenance import JournalSource
    from otel_job_measure.runtime.due_times import DueTimes
    from otel_job_measure.runtime.stacks import Stacks
    from otel_job_measure.spans.declarations import Declarations

_MOST_S: Final = 3600.0
_NOTE_S: Final = 1.0
"""How long a process waits at its end for another one that notes what should happen."""
_stand_ins: Final[list[Journal]] = []
_pipelines: Final[dict[tuple[object, ...], "Pipeline"]] = {}
_closed_at_exit: Final["WeakSet[Pipeline]"] = WeakSet()
_hooked = False


class Pipeline:
    """A journal, and the shipper that sends its points to the sinks.

    The constructor takes no slot and starts no thread: the first point does. But it imports the libraries for
    delivery, because the shipper's thread must not import. Without `ships` it does neither until `ship` is called:
    `exec` needs no shipper before its command runs. `client` is an `InfluxDBClient` of the app's own.
    """

    def __init__(
        self, settings: Settings, *, client: object = None, ships: bool = True, clock: Clock | None = None
    ) -> None:
        settings, message = in_usable_place(settings)
        if message:
            LOG.warning("%s", message)
        self.settings = settings
        self.counters = Counters()
        self._clock = clock or SystemClock()
        self._client = client
        self._opener = StoreOpener(settings, self._clock, self.counters)
        self._shipper: Shipper | None = None
        self._server: ServerSink | None = None
        self.expected_memory = self._opener.expected
        self._ships = self._is_closed = self._has_sent = self._has_handed_over = False
        self._lock, self._closing, self._noting = threading.RLock(), threading.RLock(), threading.RLock()
        self._declarations: Declarations | None = None
        self._due_times: DueTimes | None = None
        self._stacks: Stacks | None = None
        self.journal = SegmentJournal(
            self._opener,
            clock=self._clock,
            counters=self.counters,
            host=identity_of(settings).host,
            memory_store=self._opener.memory,
        )
        forks.register(forks.Order.PIPELINES, self.forked)
        if ships and not settings.disabled:
            with forks.fork_gate():
                from otel_job_measure.runtime import stacks  # noqa: PLC0415 - `exec` runs no Python
                from otel_job_measure.spans import declarations  # noqa: PLC0415 - `exec` has its own way
            self._declarations = declarations.Declarations(
                settings, self._clock, lambda: self.ship().wake(), self.expected_memory
            )
            if settings.history and not settings.in_memory:
                self._stacks = stacks.Stacks(self._clock, settings.heartbeat_s, self._declarations, self.journal.note)
            self.ship()

    def recorder(self, settings: Settings) -> Recorder:
        """Returns what writes the runs of a `JobMeasure` with these settings into this journal."""
        confirms = settings.confirm_start == "server"
        return Recorder(
            settings,
            self.current_journal,
            clock=self._clock,
            confirm=self._confirm if confirms else None,
            confirm_async=self._confirm_async if confirms else None,
            declarations=self._declarations,
            places=None if self._stacks is None else self._stacks.places,
        )

    def current_journal(self) -> Journal:
        """Returns where points go at this moment: a test's stand-in, or the journal, opened again after a close."""
        if _stand_ins and (last := _stand_ins[-1:]):  # a test in another thread may end between the two
            return last[0]
        if self._is_closed:
            forks.check()
            with self._lock:
                if self._is_closed:
                    self._is_closed = False
                    self._rest()
        return self.journal

    def ship(self) -> "Shipper":
        """Returns the shipper, made at the first call in each life of the process."""
        forks.check()
        with self._lock:
            if self._shipper is None:
                with forks.fork_gate():
                    self._shipper, self._server = make_shipper(
                        self.settings,
                        self.source(),
                        self.counters,
                        client=self._client,
                        clock=self._clock,
                        is_in_memory=lambda: self._opener.in_memory,
                        expected=self.expected_memory,
                    )
                self._ships = True
                self.journal.wake = self._hand_over if forks.is_forked_by_uwsgi() else self._shipper.wake
                _close_at_exit(self)
            return self._shipper

    def health(self) -> "Health":
        """Returns the state of this process's delivery."""
        from otel_job_measure.delivery.health import health_of  # noqa: PLC0415 - `exec` does not need it

        forks.check()
        return health_of(self.counters, self._shipper, self._server, waiting=self.journal.waiting_points)

    def source(self) -> "JournalSource":
        """Returns the reading side of the journal, which also maintains the state directory."""
        from otel_job_measure.journal.maintenance import Bound, JournalSource  # noqa: PLC0415 - `exec` rarely needs it

        bound = Bound(
            max_bytes=self.settings.max_bytes,
            counters=self.counters,
            is_delivered=lambda segment: self._shipper is not None and self._shipper.has_delivered(segment),
            is_recorded=lambda segment, size: self._shipper is None or self._shipper.has_recorded(segment, size),
        )
        place = None if self.settings.in_memory else StateDir(self.settings.state_path)
        source = JournalSource(self.journal, identity_of(self.settings), bound, clock=self._clock, place=place)
        source.maintain = self._maintain
        return source

    def flush(self, timeout_s: float) -> bool:
        """Waits, and returns whether every point so far is at its destination, or, without shipping, on disk."""
        if self.journal.waiting:
            self.journal.maintain()
        if forks.is_forked_by_uwsgi():  # there is no thread that sends
            return self.close(timeout_s)
        return self._arrives(self.journal.tail(), timeout_s, self._shipper)

    def close(self, timeout_s: float) -> bool:
        """Sends the rest and releases the slot; a later point opens everything again. Returns what `flush` does."""
        forks.check()
        closing = self._closing  # a handler may fork meanwhile, and its child has another
        if not closing.acquire(timeout=min(max(timeout_s, 0), _MOST_S)):
            return False  # another thread is closing
        try:
            if not self._is_closed:
                self._has_sent = self._close(timeout_s)
            return self._has_sent
        finally:
            closing.release()

    def say_due(self, scheduler: str, job: "JobId", due_list: "DueList") -> None:
        """Has the next due times of a job written, as its scheduler says them."""
        if self._due_times is None:
            with forks.fork_gate():
                from otel_job_measure.runtime.due_times import DueTimes  # noqa: PLC0415 - schedulers alone need it
            self._due_times = DueTimes(self.settings, self._clock, self.expected_memory())
        self.current_journal()  # opened again after a close
        self._due_times.say(scheduler, job, due_list)
        self.ship().wake()

    def leave(self) -> None:
        """Leaves all points so far to the other processes of the state directory, without waiting for a server."""
        if self._opener.in_memory:
            self.close_at_exit()
        else:
            self.journal.close(delivered=False)

    def append_only(self) -> None:
        """Starts no shipper in this process, which lives for a moment only: `leave` hands its points over."""
        if self._shipper is None:
            self.journal.wake = lambda: None

    def collect(self) -> None:
        """Sends what other processes have left so far, without waiting for the next recovery pass."""
        if self._ships and self.settings.ship:
            self.ship().collect()

    def close_at_exit(self) -> None:
        """Closes when the process ends, for at most `OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT`."""
        self.close(self.settings.shutdown_timeout_s)
        if self.journal.waiting:
            server = None if self._shipper is None or self._shipper.known_down else self._server
            self.journal.give_up(None if server is None else server.tell_last)

    def forked(self) -> None:
        """Forgets the parent's shipper in a forked child."""
        self._lock, self._closing, self._noting = threading.RLock(), threading.RLock(), threading.RLock()
        self._has_handed_over, self._due_times = False, None
        self._rest()

    def _arrives(self, mark: Position, timeout_s: float, shipper: "Shipper | None") -> bool:
        ends_ns = self._clock.monotonic_ns() + int(timeout_s * 1e9)
        if self.journal.is_behind:
            return False
        if mark <= (0, 0):
            return True  # nothing was measured
        if not self.settings.ship or self.settings.destination is None:
            return not self._opener.in_memory
        is_sent = shipper is not None and self._server is not None and shipper.wait_for(mark, timeout_s)
        while is_sent and self._waits_in_ready() and self._clock.monotonic_ns() < ends_ns:
            self.collect()  # of this process's own points and of those that it left, the own ones go first
            threading.Event().wait(0.05)
        return is_sent and not self._waits_in_ready()

    def _waits_in_ready(self) -> bool:
        """Returns whether points that this process left to others may still be unsent."""
        if self._has_handed_over:
            left = StateDir(self.settings.state_path).ready_segments(self.settings.destination_id)
            self._has_handed_over = bool(left)
        return self._has_handed_over

    def _maintain(self) -> None:
        self.journal.maintain()
        self._note()

    def _note(self, patience_s: float = 0.0) -> None:
        with self._noting:  # what one thread read earlier must not overwrite what another writes now
            for told in (each for each in (self._declarations, self._due_times, self._stacks) if each is not None):
                told.note(patience_s)

    def _close(self, timeout_s: float) -> bool:
        self._note(_NOTE_S)
        with self._lock:
            self._is_closed, shipper = True, self._shipper
        mark = self.journal.tail()
        fleeting = self._opener.in_memory or dies_with_process(self.settings.state_path)
        settled = shipper is not None and shipper.close(timeout_s, dies_with_process=fleeting)
        has_sent = self._arrives(mark, 0, shipper)
        if self._is_closed:  # else a run has begun meanwhile, and opened everything again
            try:
                self.journal.close(delivered=settled and has_sent, until=mark)
            except OSError as error:
                LOG.warning("the last points could not be moved to ready/; another process will find them: %s", error)
        return has_sent

    def _rest(self) -> None:
        self._shipper = None
        if self._ships:
            self.journal.wake = self._ship_and_wake

    def _ship_and_wake(self) -> None:
        if not sys.is_finalizing():  # nothing can be imported any more; the next process sends the rest
            self.ship()
            self.journal.wake()

    def _hand_over(self) -> None:
        """Leaves points to uWSGI's workers while this process runs no thread; without a master, it becomes a worker."""
        shipper = self.ship()
        shipper.wake()
        if not forks.is_forked_by_uwsgi():
            self.journal.wake = shipper.wake
        elif not self._opener.in_memory:
            self._has_handed_over = True
            self.journal.hand_over()

    def _confirm(self, mark: Position, timeout_s: float) -> bool:
        return not _stand_ins and self.ship().wait_for(mark, timeout_s, unless_down=True)

    async def _confirm_async(self, mark: Position, timeout_s: float) -> bool:
        if _stand_ins:
            return False
        if is_asyncio():
            return await self.ship().wait_for_async(mark, timeout_s, unless_down=True)
        return await beside_loop(partial(self.ship().wait_for, mark, timeout_s, unless_down=True))


def pipeline_for(
    settings: Settings, *, client: object = None, meter_provider: "MeterProvider | None" = None
) -> Pipeline:
    """Returns the pipeline of these settings' state directory and destination; the first caller's settings decide how.

    The first call also decides where the pipeline's metrics go: to its `meter_provider`, or to the global one.
    """
    from otel_job_measure.delivery.health import register  # noqa: PLC0415 - `exec` does not need it

    if settings.disabled:
        return Pipeline(settings)
    key = (settings.state_dir, settings.destination_id, settings.ship, id(client))
    found = _pipelines.get(key)
    if found is None:
        # Two threads may come here at once: neither pipeline has taken anything yet, and one of the two is kept.
        made = Pipeline(settings, client=client)
        found = _pipelines.setdefault(key, made)
        if found is made:
            with Guards()("registering the metrics of delivery"):  # providers can raise anything
                register(made.health, meter_provider)
    return found


@contextlib.contextmanager
def stand_in(journal: Journal) -> Generator[None]:
    """Sends every run of this process to a test's journal while the block runs."""
    _stand_ins.append(journal)
    try:
        yield
    finally:
        _stand_ins.remove(journal)


def _close_at_exit(pipeline: Pipeline) -> None:
    """Has a pipeline closed when this process ends."""
    global _hooked  # noqa: PLW0603 - the hook belongs to the process; forked children inherit it
    _closed_at_exit.add(pipeline)
    if not _hooked:
        _hooked = True
        atexit.register(_close_all)
    # A child of multiprocessing runs no atexit, or only hooks of its own. If this is one, multiprocessing is loaded.
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is not None and util is not None and process.parent_process() is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    for pipeline in list(_closed_at_exit):
        try:
            pipeline.close_at_exit()
        except Exception:  # noqa: BLE001 - the others have to be closed too
            LOG.exception("the last points could not be sent")
