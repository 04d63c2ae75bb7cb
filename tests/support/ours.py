"""What this package keeps in the process of the tests: its `JobMeasure`s, and its threads."""

import threading
from typing import Final

from otel_job_measure.runtime import default, pipeline

THREAD_NAME: Final = "otel-job-measure"
_LONG_S: Final = 30.0


def our_threads() -> list[threading.Thread]:
    """Returns our threads that live."""
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def left_threads() -> list[threading.Thread]:
    """Returns our threads that do not end; one that has nothing left to do is given the time to."""
    for thread in our_threads():
        thread.join(_LONG_S)
    return our_threads()


def forget_measures() -> None:
    """Closes whatever was made, so that the next test is in a process in which no `JobMeasure` was."""
    default._made.clear()
    while pipeline._pipelines:
        pipeline._pipelines.popitem()[1].close(0)
