"""Forks of a process that measures jobs, and the hooks that others have for them."""

import os
import subprocess
import sys

import pytest

from tests.runtime.support import DEAD, variables

_APP = """
import os, signal, sys
from otel_job_measure import JobMeasure

measure = JobMeasure()
with measure.run("before"):
    pass
import concurrent.futures.thread  # loaded before the package

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


_TRACING_APP = """
import os, signal, sys
from otel_job_measure import JobMeasure, compose_sync, job_measure_sync
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider(resource=Resource(attributes={"service.name": "billing"})))
FIRST
pid = os.fork()
if pid == 0:
    os._exit(0)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))  # a child that hangs gets no further than fork
signal.alarm(20)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize(
    "first", ["JobMeasure()", 'compose_sync([job_measure_sync], lambda ctx: None)({"name": "nightly"})']
)
def test_a_client_that_comes_after_the_apps_provider_hangs_no_child(first: str) -> None:
    """What delivers brings thread pools with it, and the SDK's own hook of that provider uses one in each child."""
    environment = {**os.environ, **variables(DEAD), "OTEL_JOB_MEASURE_SHUTDOWN_TIMEOUT": "0"}
    subprocess.run(
        [sys.executable, "-c", _TRACING_APP.replace("FIRST", first)], env=environment, check=True, timeout=60
    )
