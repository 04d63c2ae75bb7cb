"""Builds the parts of a pipeline from settings: identity, store, sinks, shipper.

The parts that deliver are imported in the functions that need them: a process that only appends, as most `exec`, must
not pay for them, and the package's thread must not import.
"""

import contextlib
import os
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from otel_job_measure import names
from otel_job_measure.clock import Clock
from otel_job_measure.errors import MissingDependencyError, SettingsError
from otel_job_measure.forks import fork_gate
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.interfaces import Identity, Sink, Store
from otel_job_measure.journal.memory_store import MemoryStore
from otel_job_measure.journal.rights import whose_rights
from otel_job_measure.journal.segment_writer import SegmentWriter
from otel_job_measure.journal.state_dir import Mark, StateDir
from otel_job_measure.rate_limited_log import LOG
from otel_job_measure.settings import Settings
from otel_job_measure.settings.environment import default_state_dir

if TYPE_CHECKING:
    from otel_job_measure.delivery.presence import Presence
    from otel_job_measure.delivery.server_sink import ServerSink
    from otel_job_measure.delivery.shipper import Shipper
    from otel_job_measure.journal.expected_memory import ExpectedMemory
    from otel_job_measure.journal.interfaces import DeadLetters
    from otel_job_measure.journal.maintenance import JournalSource
    from otel_job_measure.journal.vitals import Vitals

_STATE_DIR = f"{names.ENV_PREFIX}STATE_DIR"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOUNTS = Path("/proc/mounts")
_FLEETING = {"tmpfs", "ramfs", "overlay", "aufs"}
"""File systems that end with the machine or the container."""
_host_names: list[str] = []
_ESCAPED = {ord(char): f"\\{ord(char):03o}" for char in " \t\n\\"}
"""Escapes in the list of mounts."""


@contextlib.contextmanager
def other_host(name: str) -> Generator[None]:
    """Lets this process write under another host's name while the block runs: a drill says nothing of the machine."""
    _host_names.append(name)
    try:
        yield
    finally:
        _host_names.remove(name)


def identity_of(settings: Settings) -> Identity:
    """Returns what a process writes into the headers of its segments."""
    destination = settings.destination
    return Identity(
        host=_host_names[-1] if _host_names else os.uname().nodename,
        boot_id=boot_id(),
        destination=settings.destination_id,
        label=destination.label if destination is not None else settings.destination_id,
        runs=settings.runs,
    )


def boot_id() -> str:
    """Returns the id of this boot of the machine; empty if the system has none."""
    try:
        return _BOOT_ID.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def dies_with_process(path: Path) -> bool:
    """Returns whether files at an absolute path are lost with the machine's memory or the container."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    # Device, folder, kind; of two mounts on one folder the last counts.
    kinds = dict(line.split(" ")[1:3] for line in mounts if line.count(" ") > 1)
    real = Path(os.path.realpath(path))  # resolve() raises where links lead in a ring
    folders = (str(folder).translate(_ESCAPED) for folder in (real, *real.parents))
    return next((kinds[folder] for folder in folders if folder in kinds), "") in _FLEETING


def _can_be_used(place: Path) -> bool:
    with contextlib.suppress(OSError):
        StateDir(place).check_usable()
        return True
    return False


def in_usable_place(settings: Settings) -> tuple[Settings, str]:
    """Returns settings whose state directory this user can use, if there is one, and what to log about a change."""
    own = default_state_dir()
    if settings.in_memory or own is None or own == settings.state_path:
        return settings, ""
    with contextlib.suppress(OSError):  # a place that no user could use is the journal's to report
        try:
            StateDir(settings.state_path).check_usable()
        except PermissionError as error:
            StateDir(own).check_usable()
            message = f"{_STATE_DIR} ({settings.state_path}) cannot be used ({error}): runs are kept in {own}"
            return settings.changed(state_dir=own), message
    return settings, ""


class StoreOpener:
    """Opens the stores of a journal: files, or memory if there is no place for files."""

    def __init__(self, settings: Settings, clock: Clock, counters: Counters) -> None:
        self._settings = settings
        self._clock = clock
        self._counters = counters
        self._identity = identity_of(settings)
        self.in_memory = settings.in_memory
        """Whether the points are in memory, by the settings or because there is no place for files."""
        self._expected: list[ExpectedMemory] = []

    def __call__(self, open_runs: Mapping[str, bytes], before: Store | None, /) -> Store:
        """Opens a store; raises an `OSError` if the state directory cannot be used."""
        if self._settings.in_memory or isinstance(before, MemoryStore):
            return MemoryStore(self._identity, self._clock, self._counters, before)
        state = StateDir(self._settings.state_path)
        state.make()
        max_bytes = self._settings.max_bytes
        store = SegmentWriter(state, self._identity, self._clock, open_runs, max_bytes=max_bytes, before=before)
        self.in_memory = False
        return store

    def expected(self) -> "ExpectedMemory":
        """Returns what is expected and cannot be noted in files."""
        if not self._expected:
            with fork_gate():
                from otel_job_measure.journal.expected_memory import ExpectedMemory  # noqa: PLC0415 - few need it

            self._expected.append(ExpectedMemory(self._clock))
        return self._expected[0]  # two threads may have made one each

    def memory(self, error: OSError) -> tuple[Store, str]:
        """Returns a store in memory, and the reason for it, to be logged."""
        self.in_memory = True
        place, own = self._settings.state_path, default_state_dir()
        neither = "" if own is None or own == place or _can_be_used(own) else f", nor can {own}"
        why = f"{_STATE_DIR} ({place}) cannot be used{neither}: {error}{whose_rights()}"
        message = f"points are kept in memory and end with this process: {why}"
        now_ns = self._clock.wall_ns()
        mark = Mark(StateDir(place), now_ns)
        mark.until(now_ns)
        return MemoryStore(self._identity, self._clock, self._counters, mark=mark), message


def make_shipper(  # noqa: PLR0913 - the parts of one machine
    settings: Settings,
    source: "JournalSource",
    counters: Counters,
    *,
    client: object,
    clock: Clock,
    is_in_memory: Callable[[], bool],
    expected: "Callable[[], ExpectedMemory] | None" = None,
) -> "tuple[Shipper, ServerSink | None]":
    """Returns the shipper of one journal, and the sink of its server, if it sends to one.

    If a library cannot be loaded, the process behaves as with `SHIP=off`: it only appends, and others send. A job may
    be running already, and Python refuses some imports once the main thread has ended.
    """
    from otel_job_measure.delivery.consumer import EAGER, LAZY, Consumer  # noqa: PLC0415 - see the module
    from otel_job_measure.delivery.shipper import Shipper  # noqa: PLC0415 - see the module

    server = None
    if settings.ship and settings.destination is not None:
        try:
            server = server_sink(settings, counters, client=client, clock=clock)
        except (SettingsError, MissingDependencyError):
            raise
        except Exception as error:  # noqa: BLE001 - the job must go on
            LOG.warning(
                "this process leaves its points to others to send, because a library cannot be loaded: %s: %s",
                type(error).__name__,
                error,
            )
    consumers = [] if server is None else [Consumer(server, EAGER, clock=clock)]
    history = history_sink(settings, clock=clock, is_off=is_in_memory)
    if history is not None:
        consumers.append(Consumer(history, LAZY, clock=clock))
    # If another process sends, only that one knows when a segment is no longer needed.
    drops = settings.ship and (settings.destination is None or server is not None)
    presence = (
        None
        if server is None
        else presence_of(settings, server, source, clock=clock, memory=None if expected is None else expected())
    )
    return Shipper(source, consumers, counters, presence=presence, clock=clock, drops=drops), server


def presence_of(
    settings: Settings,
    server: "ServerSink",
    vitals: "Vitals",
    *,
    clock: Clock,
    memory: "ExpectedMemory | None" = None,
) -> "Presence | None":
    """Returns what tells a server what runs now and what should; None if the settings turn that off."""
    from otel_job_measure.delivery.expected_rows import ExpectedRows  # noqa: PLC0415 - see the module
    from otel_job_measure.delivery.presence import Presence  # noqa: PLC0415 - see the module
    from otel_job_measure.journal.expected_store import ExpectedStore  # noqa: PLC0415 - see the module

    if not settings.heartbeat_s:
        return None
    files = None if settings.in_memory else ExpectedStore(settings.state_path, clock)
    expected = [ExpectedRows(store, settings.destination_id, clock) for store in (files, memory) if store is not None]
    identity = identity_of(settings)
    return Presence(
        server, vitals, host=identity.host, heartbeat_s=settings.heartbeat_s, expected=expected, clock=clock
    )


def server_sink(
    settings: Settings, counters: Counters, *, client: object = None, clock: Clock | None = None
) -> "ServerSink":
    """Returns the sink that sends to the server of the settings; `client` is an `InfluxDBClient` of the app's own.

    It raises a `SettingsError` if the settings name no server, a `MissingDependencyError` if a library is missing.
    """
    from otel_job_measure.journal.dead_letters import DeadLetterFiles, LoggedDeadLetters  # noqa: PLC0415 - see the module

    rejects: DeadLetters = LoggedDeadLetters()
    if not settings.in_memory:
        rejects = DeadLetterFiles(StateDir(settings.state_path).rejected, identity_of(settings), clock)
    if settings.sink == names.SINK_OTLP:
        from otel_job_measure.delivery.otlp.sink import OtlpSink  # noqa: PLC0415 - see the module

        return OtlpSink(settings, counters, rejects, clock=clock)
    from otel_job_measure.delivery.influxdb.sink import InfluxSink  # noqa: PLC0415 - see the module

    return InfluxSink(settings, counters, rejects, client=client, clock=clock)


def history_sink(
    settings: Settings, *, clock: Clock, alone: bool = False, is_off: Callable[[], bool] = bool
) -> Sink | None:
    """Returns the sink that keeps runs in the local history; None if there is none.

    In a process that runs no jobs (`alone`) a transaction may take its time. `is_off` returns whether the points are
    in memory, because then there is no place for the history either.
    """
    if not settings.history or settings.in_memory:
        return None
    from otel_job_measure.history.history import History  # noqa: PLC0415 - see the module
    from otel_job_measure.history.ingest import ALONE, BESIDE_JOBS  # noqa: PLC0415 - see the module
    from otel_job_measure.history.sink import HistorySink  # noqa: PLC0415 - see the module

    path, pace = StateDir(settings.state_path).history, ALONE if alone else BESIDE_JOBS
    history = History(path, retention_s=settings.retention_s, clock=clock, pace=pace)
    return HistorySink(history, clock=clock, is_off=is_off)
