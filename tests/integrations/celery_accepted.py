"""When Celery's main process knows that a child has begun a task, and when the task's own code has.

If a child dies before its main process knows, Celery gives the task to another child, once more: another attempt, which
a test of the death does not count on. And a time limit begins to pass before a run has begun.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.support.processes import until

_Request: Any = import_module("celery.worker.request").Request  # Celery has no types


class Request(_Request):  # type: ignore[misc]
    """What the main process calls for a task of this class of request."""

    def on_accepted(self, pid: int, time_accepted: object) -> None:
        """Tells the child; while it waits for a task with a limit, the main process stops no child."""
        _Request.on_accepted(self, pid, time_accepted)
        accepted(self.id).touch()
        if _is_another_process(pid) and any((*self.time_limits, self.task.time_limit)):
            until(_begun(self.id).exists, "the task's own code")


def until_accepted(task: Any) -> None:  # noqa: ANN401 - Celery's
    """Waits, in a child, until the main process knows of a task's run."""
    until(accepted(task.request.id).exists, "the main process's answer")


def tell_begun(task: Any) -> None:  # noqa: ANN401 - the same
    """Says, in a task's own code, that its run has begun."""
    _begun(task.request.id).touch()


def accepted(task_id: str, state_dir: str = "") -> Path:
    """Returns the file that is there as soon as the main process knows of a task's run."""
    return Path(state_dir or os.environ["OTEL_JOB_MEASURE_STATE_DIR"]).parent / f"accepted {task_id}"


def _is_another_process(pid: int) -> bool:
    """Tells whether it is a child of a prefork pool: others give ids of threads or greenlets."""
    return pid != os.getpid() and Path(f"/proc/{pid}").exists()


def _begun(task_id: str) -> Path:
    return accepted(task_id).with_name(f"begun {task_id}")
