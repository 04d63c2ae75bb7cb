"""What the code of this process says of its jobs, until it is noted in the state directory.

A declaration is checked where it is made, because the libraries of schedules are imported then. It is written later, by
the shipper's thread or at the process's end: once a process, and again each hour as long as the process lives. See
docs/decisions/0014-declarations.md.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure.clock import Clock
from otel_job_measure.forks import fork_gate
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    from otel_job_measure.journal.expected_memory import ExpectedMemory
    from otel_job_measure.spans.noting import Noting

_MOST_JOBS: Final = 10_000
Resource = Callable[[], Mapping[str, object]]
Key = tuple[str, str | None, str | None]
"""A job's name, and the project and stage of the settings."""


class Declared(NamedTuple):
    """What was said of a job."""

    limits: Mapping[str, object]
    module: str
    settings: Settings
    resource: Resource
    """Gives the attributes of the resource that its runs have."""


class Declarations:
    """The declarations of one process in one state directory; `wake` starts the thread that notes them.

    What cannot be noted is in `memory`, from where it is told to a server.
    """

    def __init__(
        self, settings: Settings, clock: Clock, wake: Callable[[], object], memory: "Callable[[], ExpectedMemory]"
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._wake = wake
        self._memory = memory
        self._declared: dict[Key, Declared] = {}
        self._noting: Noting | None = None
        self._were_some: bool | None = None

    def add(self, name: str, limits: Mapping[str, object], module: str, settings: Settings, resource: Resource) -> None:
        """Takes what is said of a job; what is wrong with it is logged once and left out."""
        declared = Declared(limits, module, settings, resource)
        key = name, settings.project, settings.stage
        before = self._declared.get(key)
        if settings.disabled or (before is not None and before.limits == declared.limits):
            return
        if before is None and len(self._declared) >= _MOST_JOBS:
            return
        self._declared[key] = declared
        if self._noting is not None:
            self._noting.take(key, declared)
            self._wake()
        elif declared.limits or self._were_there_some():
            self._noting = noting = self._prepared()
            for each, job in list(self._declared.items()):  # after it is set: another thread may add one meanwhile
                noting.take(each, job)
            self._wake()

    def note(self, patience_s: float = 0.0) -> None:
        """Writes what is new, and confirms the rest each hour; a writer in another process postpones it."""
        if self._noting is not None:
            self._noting.note(patience_s)

    def max_runtime_s(self, name: str, settings: Settings) -> float | None:
        """Returns how long a run of a job may take, if the code says it."""
        key = name, settings.project, settings.stage
        return None if self._noting is None else self._noting.max_runtime_s(key)

    def _were_there_some(self) -> bool:
        """Returns whether this program declared limits when it last ran: one look at a file."""
        if self._settings.in_memory:
            return False
        if self._were_some is None:
            self._were_some = StateDir(self._settings.state_path).expected_file("code", program()).exists()
        return self._were_some

    def _prepared(self) -> "Noting":
        with fork_gate():
            from otel_job_measure.journal.expected_store import ExpectedStore  # noqa: PLC0415 - most processes declare nothing
            from otel_job_measure.spans.noting import Noting  # noqa: PLC0415 - the same
        memory = self._memory()
        store = memory if self._settings.in_memory else ExpectedStore(self._settings.state_path, self._clock)
        return Noting(store, memory, self._clock, program())


def program() -> str:
    """Returns what this process runs, the same at each of its starts: a file, or `-c`."""
    file: object = getattr(sys.modules.get("__main__"), "__file__", None)
    # Links are kept: behind `current` there is another folder after each deployment.
    return os.path.abspath(file) if isinstance(file, str) and file else (sys.argv[:1] or [""])[0]  # noqa: PTH100
