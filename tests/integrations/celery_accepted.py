"""When Celery's main process knows that a child has begun a task.

If a child dies before that, Celery gives the task to another child, once more: another attempt, which a test of the
death does not count on.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.processes import until

_Request: Any = import_module("celery.worker.request").Request  # Celery has no types


class Request(_Request):  # type: ignore[misc]
    """What the main process calls for a task of this class of request."""

    def on_accepted(self, pid: object, time_accepted: object) -> None:
        """Tells the child."""
        _Request.on_accepted(self, pid, time_accepted)
        _told(self.id).touch()


def until_accepted(task: Any) -> None:  # noqa: ANN401 - Celery's
    """Waits, in a child, until the main process knows of a task's run."""
    until(_told(task.request.id).exists, "the main process's answer")


def _told(task_id: str) -> Path:
    return Path(os.environ["OTEL_JOB_MEASURE_STATE_DIR"]).parent / f"accepted {task_id}"
