"""What is measured, one question a file."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.measures import job_thread, losses, peers
from benchmarks.tables import Part

MEASURES: Final[Mapping[str, Callable[[Bench], Part]]] = {
    "job-thread": job_thread.measure,
    "peers": peers.measure,
    "losses": losses.measure,
}
"""Each by its name, in the order of the docs."""

QUICK: Final = ("job-thread",)
"""Those that tell enough in a minute."""
