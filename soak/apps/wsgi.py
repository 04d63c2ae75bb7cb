"""An app for uWSGI: runs where it is loaded, before the fork, and in each request; `/kill` ends the worker in one."""

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

from otel_job_measure import JobMeasure
from soak.reporting import Reported

MEASURE = JobMeasure()
for _ in range(20):
    with Reported(MEASURE.run("before")):
        pass


def application(environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """Runs a job."""
    with Reported(MEASURE.run("request")):
        if environ["PATH_INFO"] == "/kill":
            os.kill(os.getpid(), signal.SIGKILL)
    start("200 OK", [("Content-Length", "0")])
    return ()
