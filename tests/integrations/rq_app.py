"""Jobs of RQ for the conformance suite; `rq_app.py worker …` is a worker whose jobs are measured."""

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from rq import get_current_job

from otel_job_measure.integrations import rq as adapter
from otel_job_measure.integrations.contract import Adapter
from otel_job_measure.runtime.default import ready_measure
from otel_job_measure.testing import tasks
from otel_job_measure.testing.conformance import BEHAVIOURS
from tests.integrations.traced import trace_as

BY_NAME: Final = {each.name: each for each in BEHAVIOURS}


@ready_measure().job(tasks.DECORATED)
def decorated() -> str:
    """Is measured by its decorator too."""
    return tasks.RESULT


def conformance(name: str, job: str, flag: str) -> object:
    """Behaves."""
    match name:
        case "calls itself":
            return tasks.calls_itself(job)
        case "two adapters":
            return Adapter("another").around(tasks.succeeds, job)
        case "retries, fails":
            tasks.raises()
        case "retries, succeeds":
            current: Any = get_current_job()
            if current.connection.incr(f"calls:{current.id}") == 1:
                tasks.raises()
        case "warm shutdown":
            return tasks.waits_for(flag)
        case "hard time limit":
            while True:
                with suppress(Exception):  # that of the soft limit too
                    tasks.lasts()
        case _:
            pass
    return BY_NAME[name].task()


def main() -> None:
    """Is `rq`, with the adapter."""
    trace_as(os.environ["CONFORMANCE"])
    adapter.install()
    adapter.install()
    import_module("rq.cli").main()


if __name__ == "__main__":
    sys.argv[0] = "rq"
    main()
