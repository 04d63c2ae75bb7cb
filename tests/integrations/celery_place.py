"""A worker of Celery in a process of its own, and the runs of its tasks."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from tests.support.processes import ROOT, until
from tests.support.uncovered import uncovered


class CeleryPlace:
    """A broker with a worker.

    Args:
        module: The module of the worker's app.
        app: The same app, in this process.
        broker: The broker's URL.
        folder: The state directory.
        *words: More arguments of the worker.
    """

    def __init__(self, module: str, app: Any, broker: str, folder: Path, *words: str) -> None:  # noqa: ANN401 - it has no types
        self._module = module
        self._app = app
        self._broker = broker
        self._folder = folder
        with app.connection_for_write(broker) as connection:
            app.control.purge(connection=connection)
        self.worker = self.start("worker", "-c", "2", "--without-gossip", "--without-mingle", *words)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Starts a command of Celery."""
        environment = uncovered() | {"BROKER": self._broker, "OTEL_JOB_MEASURE_STATE_DIR": str(self._folder)}
        return subprocess.Popen([sys.executable, "-m", "celery", "-A", self._module, *words], cwd=ROOT, env=environment)

    def send(self, task: Any, *args: object) -> str:  # noqa: ANN401 - the same
        """Sends a task; returns its id."""
        with self._app.connection_for_write(self._broker) as connection:
            return str(task.apply_async(args, connection=connection).id)

    def ended(self, count: int) -> list[RunRecord]:
        """Waits until so many runs have ended, and none is open; returns them, the oldest first."""

        def all_ended() -> list[RunRecord]:
            history, _ = up_to_date(Settings(state_dir=self._folder))
            runs = history.latest(limit=100)[::-1]
            return runs if len(runs) >= count and all(run.ended_ns for run in runs) else []

        return until(all_ended, f"{count} endings")

    def stop(self) -> None:
        """Ends the worker."""
        self.worker.terminate()
        self.worker.wait(60)
