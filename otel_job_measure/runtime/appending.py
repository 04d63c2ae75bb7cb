"""Appends rows of a command to the journal of a state directory; a process that ships sends them."""

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.counters import Counters
from otel_job_measure.journal.journal import SegmentJournal
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.assembly import StoreOpener, identity_of
from otel_job_measure.settings import Settings


def append(settings: Settings, lines: bytes) -> bool:
    """Appends rows, each with its newline; returns False if this user may not write in the state directory."""
    if settings.in_memory:
        return False
    try:
        StateDir(settings.state_path).check_usable()
    except OSError:
        return False
    clock, counters = SystemClock(), Counters()
    opener = StoreOpener(settings, clock, counters)
    journal = SegmentJournal(opener, clock=clock, counters=counters, host=identity_of(settings).host)
    journal.note(lines)
    journal.close(delivered=False)
    return journal.waiting == 0
