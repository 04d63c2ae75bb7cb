"""An app for uWSGI: a run where it is loaded, if `BEFORE` is set, and one in each request."""

import os
from collections.abc import Callable
from typing import Any

from otel_job_measure import JobMeasure

measure = JobMeasure()
for _ in range(int(os.environ.get("BEFORE", "0"))):
    with measure.run("before"):
        pass
if "FLUSH" in os.environ and not measure.flush(30):
    raise SystemExit("not flushed")


def application(environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
    """Runs a job, and answers with its uuid and the process's id; `/die` ends the process in it."""
    with measure.run("die" if environ["PATH_INFO"] == "/die" else "request") as run:
        answer = f"{run.uuid} {os.getpid()}"
        if environ["PATH_INFO"] == "/die":
            os.kill(os.getpid(), 9)
    start("200 OK", [("Content-Length", str(len(answer)))])
    return [answer.encode()]
