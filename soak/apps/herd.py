"""A process that forks others, which all run jobs, a little apart, until its stdin ends: `herd PROCESSES PAUSE_S`.

With a pause of 0 each keeps one run open and does nothing, and they end a few at a time: five hundred that all end at
the same moment would wait for the processor and not for us. On stdout `> PID PID …` when all are there.
"""

import logging
import os
import select
import sys

from otel_job_measure import JobMeasure
from soak.reporting import Reported, tell, watchdog


def work(measure: JobMeasure, over: int, pause_s: float) -> None:
    """Runs jobs until the other end of a pipe is closed.

    Args:
        measure: Measures them.
        over: The pipe.
        pause_s: How long to do nothing between two; 0 for one run that stays open.
    """
    if not pause_s:
        with Reported(measure.run("herd")):
            os.write(READY, b".")
            os.read(over, 1)
        return
    os.write(READY, b".")
    while not select.select([over], [], [], pause_s)[0]:
        with Reported(measure.run("herd")):
            pass


def main(processes: int, pause_s: float) -> None:
    """Forks, waits for stdin's end, and then for all others."""
    logging.basicConfig(level=logging.DEBUG if pause_s else logging.INFO)
    measure = JobMeasure()
    over, end = os.pipe()
    pids: list[int] = []
    for _ in range(processes):
        pid = os.fork()
        if pid == 0:
            os.close(end)
            work(measure, over, pause_s)
            return
        pids.append(pid)
    for _ in pids:
        os.read(READ_READY, 1)
    tell(f"> {' '.join(map(str, pids))}")
    sys.stdin.read()
    if pause_s:
        os.close(end)
    codes: set[int] = set()
    for begin in range(0, processes, _AT_ONCE):
        some = range(begin, min(processes, begin + _AT_ONCE))
        if not pause_s:
            os.write(end, b"." * len(some))
        codes |= {os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1]) for _ in some}
    if codes != {0}:
        tell(f"broken processes of the herd ended with {codes}")


_AT_ONCE = 8
READ_READY, READY = os.pipe()

if __name__ == "__main__":
    watchdog(400)  # it is idle for two minutes, and 500 processes begin and end slowly on a busy machine
    main(int(sys.argv[1]), float(sys.argv[2]))
