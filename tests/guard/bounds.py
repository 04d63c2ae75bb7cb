"""What a run may cost at most, in things that can be counted.

A count that has grown makes a test fail. With a reason for more, the same commit writes the new count here. A
count that has shrunk is written here too. Each was seen with every version of Python that has a row.
"""

import sys
from dataclasses import dataclass
from typing import Final

SYSTEM_CALLS: Final = {"fstat": 2, "getpid": 8, "urandom": 1, "write": 2}
"""What a run asks of the system, whatever it is measured with: two appends, each after a look at its descriptor."""

RETAINED_BLOCKS: Final = 0.1
"""Blocks of memory that a run leaves behind, on the average of 500: none, but for what happens now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What depends on the version of Python.

    Args:
        lines: Lines of this package that a run executes without tracing.
        lines_traced: The same in an app that exports its spans.
        lines_other_span: The same for a span that is no job's, with `JobSpanProcessor`.
        peak: Bytes that a run without tracing needs at once.
        modules_import: Modules that `import otel_job_measure` loads, besides Python's own at its start; most are those
            of `logging`, which must not be imported later, while a fork may wait for us and hold its lock.
        modules_measure: Modules that a `JobMeasure` and a first run load on top of the SDK, where nothing is sent;
            those that note where a long run hangs among them, because our thread imports nothing.
        modules_exec: Modules that `exec` loads if it only appends, `dataclasses` with `inspect` and `ast` among them.
    """

    lines: int
    lines_traced: int
    lines_other_span: int
    peak: int
    modules_import: int
    modules_measure: int
    modules_exec: int


_BY_VERSION: Final = {
    (3, 11): Bounds(
        lines=371,
        lines_traced=426,
        lines_other_span=18,
        peak=2900,
        modules_import=24,
        modules_measure=111,
        modules_exec=134,
    ),
    (3, 12): Bounds(
        lines=375,
        lines_traced=426,
        lines_other_span=18,
        peak=2900,
        modules_import=25,
        modules_measure=108,
        modules_exec=134,
    ),
    (3, 13): Bounds(
        lines=371,
        lines_traced=426,
        lines_other_span=18,
        peak=2960,
        modules_import=20,
        modules_measure=108,
        modules_exec=134,
    ),
}
BOUNDS: Final = _BY_VERSION.get(sys.version_info[:2], _BY_VERSION[max(_BY_VERSION)])
"""Those of this Python; of the newest that was tried, where it is newer."""

TURNS_IDLE_HOUR: Final = 494
"""How often the shipper wakes in an idle hour: its upkeep every 10 s, a look at what others left every half minute."""
TURNS_BUSY: Final = 42
"""The same while a thousand runs end within a second."""
TURNS_CALM: Final = 1014
"""The same while a thousand runs end within 100 s."""
