"""Forks of a process that measures jobs and has no tracer provider of its own."""

import subprocess
import sys

_APP = """
import os, signal, sys
from otel_job_measure import JobMeasure

measure = JobMeasure()
with measure.run("before"):
    pass
import concurrent.futures.thread  # whoever comes first with it

pid = os.fork()
if pid == 0:
    signal.alarm(20)  # a child that hangs ends in a signal
    with measure.run("child"):
        pass
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_child_never_hangs_in_a_hook_that_we_brought_in() -> None:
    """A provider of ours would: the SDK's hook uses a thread pool, whose lock is not free yet when it runs."""
    subprocess.run([sys.executable, "-c", _APP], check=True, timeout=60)
