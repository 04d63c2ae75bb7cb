"""An app of Celery whose beat sends a task every two seconds, which expires after one."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from tests.integrations import celery_app

app: Any = celery_app.app
EVERY_S = 2


class EvenSeconds(import_module("celery.schedules").schedule):  # type: ignore[misc]  # Celery has no types
    """Due at even seconds, however late the last task was sent, as a crontab is at whole minutes."""

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Returns how long it is until the next due time."""
        due_s = (last_run_at.timestamp() // EVERY_S + 1) * EVERY_S
        remaining: timedelta = datetime.fromtimestamp(due_s, UTC) - self.now()
        return remaining


app.conf.beat_schedule = {
    "even seconds": {"task": "tests.succeed", "schedule": EvenSeconds(EVERY_S), "options": {"expires": 1.0}}
}
