"""What the history knows of the present: what runs now, and up to when it is complete.

A process does not write this each minute, because that would wake the disk. The commands that read the history do it
at that moment, from the segments of living processes.
"""

import contextlib
from typing import Final

from otel_job_measure.clock import Clock
from otel_job_measure.delivery.presence import alive_rows
from otel_job_measure.errors import HistoryError
from otel_job_measure.history import monitor_tables
from otel_job_measure.history.history import History
from otel_job_measure.journal.living_runs import LivingRuns
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.monitor import MonitorRow, Sender

_WORD_NS: Final = 60_000_000_000
_MARGIN_NS: Final = 2_000_000_000


def note_present(  # noqa: PLR0913 - the parts of one machine
    history: History, state: StateDir, *, host: str, heartbeat_s: float, began_ns: int, clock: Clock
) -> None:
    """Puts the signs of life of the open runs into the history, and that it is complete up to a time before `began_ns`.

    If another process is using the history, the next command notes it.
    """
    now_ns = clock.wall_ns()
    with contextlib.suppress(HistoryError):
        rows: list[MonitorRow] = []
        before_ns = now_ns - int(heartbeat_s * 1e9)
        if heartbeat_s and history.read(lambda connection: monitor_tables.has_open(connection, before_ns)):
            rows += alive_rows(LivingRuns(state, clock).open_runs(), now_ns, heartbeat_s)
        last_ns = history.read(lambda connection: monitor_tables.last_word_ns(connection, host))
        if last_ns is not None and (rows or not now_ns - _WORD_NS < last_ns <= now_ns):
            until_ns = began_ns - _MARGIN_NS
            rows.append(Sender(host=host, at_ns=now_ns, complete_until_ns=until_ns, pending=0, left=False))
        if rows:
            history.put(rows)
