"""What a process costs: memory at its peak, and time on the processor."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def peak_mib(pid: int) -> float:
    """Returns the most memory that a process has had so far, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


def processor_s(pids: Iterable[int]) -> float:
    """Returns how long processes have been on the processor so far, in seconds."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
