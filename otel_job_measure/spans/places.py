"""Where the open runs of this process are: the thread, and the task of asyncio, in which each of them began."""

import sys
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_job_measure import forks

if TYPE_CHECKING:
    from otel_job_measure.settings import Settings
    from otel_job_measure.spans.run import Run


class Place(NamedTuple):
    """Where a run began. It has no span and no object of the job, so that it keeps nothing alive but the loop."""

    job: str
    settings: "Settings"
    start_ns: int
    began_ns: int
    thread: int
    """The number of the thread."""
    loop: Any
    """The loop of asyncio that ran there; None if none did."""
    task: int
    """The identity of the loop's task."""


class Places:
    """The open runs of this process, by their ids."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, Settings, int, int, int, Any, int]] = {}
        """Plain tuples: one is made in each run."""
        forks.register(forks.Order.PIPELINES, self.forked)

    def began(self, run: "Run", settings: "Settings") -> None:
        """Notes where a run begins: here. asyncio is not loaded for that."""
        asyncio = sys.modules.get("asyncio")
        loop = None if asyncio is None else asyncio._get_running_loop()  # noqa: SLF001 - the public one raises
        task = 0 if asyncio is None or loop is None else id(asyncio.current_task(loop))
        self._open[run.uuid] = run.name, settings, run.start_ns, run.began_ns, get_ident(), loop, task

    def ended(self, uuid: str) -> None:
        """Forgets a run."""
        self._open.pop(uuid, None)

    def open(self) -> dict[str, Place]:
        """Returns the runs that are open now."""
        return {uuid: Place(*known) for uuid, known in self._open.copy().items()}

    def forked(self) -> None:
        """Forgets the runs of the parent in a child of fork."""
        self._open.clear()
