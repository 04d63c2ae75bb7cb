"""Processes that adopt what is left in a folder, all let go at the same moment: `adopting PROCESSES`.

On stdin `FOLDER`, on stdout `gone CODES`.
"""

import os
import sys
from pathlib import Path

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.recovery import recover_slots
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.assembly import boot_id
from soak.reporting import tell, watchdog


def adopt_in(folder: Path) -> None:
    """Runs a recovery pass as soon as no other process does."""
    state, boot, is_done = StateDir(folder), boot_id(), False
    while not is_done:
        with state.adopting() as held:
            if held:
                recover_slots(state, clock=SystemClock(), boot_id=boot)
                is_done = True


def all_at_once(processes: int, folder: Path) -> set[int]:
    """Lets processes adopt, and returns their exit codes."""
    gate, opened = os.pipe()
    for _ in range(processes):
        if os.fork() == 0:
            os.close(opened)
            os.read(gate, 1)  # all of them wake when the last writer is gone
            adopt_in(folder)
            os._exit(0)
    os.close(opened)
    os.close(gate)
    return {os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(processes)}


if __name__ == "__main__":
    watchdog()
    for line in sys.stdin:
        tell(f"gone {all_at_once(int(sys.argv[1]), Path(line.strip()))}")
