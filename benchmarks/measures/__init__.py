"""What is measured, one question a file."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.bench import Bench
from benchmarks.measures import (
    crowds,
    dialects,
    drain,
    event_loop,
    floor,
    history,
    job_thread,
    long_life,
    longest_life,
    losses,
    other_spans,
    peers,
    questions,
    refused,
    reports,
    running,
    schedulers,
    simulation,
    sizes,
    slower,
    starts,
    visible,
    web,
)
from benchmarks.tables import Part

MEASURES: Final[Mapping[str, Callable[[Bench], Part]]] = {
    "job-thread": job_thread.measure,
    "floor": floor.measure,
    "peers": peers.measure,
    "losses": losses.measure,
    "processes": crowds.processes,
    "threads": crowds.threads,
    "event-loop": event_loop.measure,
    "other-spans": other_spans.measure,
    "drain": drain.measure,
    "refused": refused.measure,
    "visible": visible.measure,
    "history": history.measure,
    "questions": questions.measure,
    "web": web.measure,
    "report": reports.measure,
    "running": running.measure,
    "starts": starts.measure,
    "sizes": sizes.measure,
    "schedulers": schedulers.measure,
    "simulation": simulation.measure,
    "slower": slower.measure,
    "long-life": long_life.measure,
    "longest-life": longest_life.measure,
    "dialects": dialects.measure,
}
"""Each by its name, in the order of the docs."""

QUICK: Final = ("job-thread",)
"""Those that tell enough in a minute."""
LONG: Final = ("longest-life", "dialects", "running", "simulation")
"""Those that take too long to be among the others."""
