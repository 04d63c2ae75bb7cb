"""Forks of a process that has our private provider."""

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


def test_a_child_never_hangs_in_the_private_providers_hook() -> None:
    """The SDK's own hook uses a thread pool, whose lock must be free again by the time it runs."""
    subprocess.run([sys.executable, "-c", _APP], check=True, timeout=60)
