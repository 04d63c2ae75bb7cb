"""Beat with a schedule in a database: prints what is due, then with one entry disabled, then with it changed."""

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from otel_job_measure import JobMeasure
from otel_job_measure.integrations import celery as adapter
from otel_job_measure.journal.expected_store import ExpectedStore

folder = Path(sys.argv[1])
import_module("django.conf").settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django_celery_beat"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "beat.db")}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
    TIME_ZONE="UTC",
)
import_module("django").setup()
import_module("django.core.management").call_command("migrate", verbosity=0)
models: Any = import_module("django_celery_beat.models")
measure = JobMeasure(state_dir=folder / "state")
app: Any = import_module("celery").Celery("app", broker="memory://")
app.conf.timezone = "UTC"
adapter.install(measure=measure)
at_ten, _ = models.CrontabSchedule.objects.get_or_create(minute="10", hour="*", timezone="UTC")
each_hour, _ = models.IntervalSchedule.objects.get_or_create(every=1, period="hours")
nightly = models.PeriodicTask.objects.create(name="nightly", task="tasks.nightly", crontab=at_ten)
models.PeriodicTask.objects.create(name="hourly", task="tasks.hourly", interval=each_hour)
scheduler: Any = import_module("django_celery_beat.schedulers").DatabaseScheduler(app, lazy=False)


def said() -> dict[str, list[int]]:
    """Returns the minutes of the due times of each job, after one more tick of beat."""
    scheduler.tick()
    measure.close()
    return {
        each.job.job: sorted({datetime.fromtimestamp(due / 1e9, UTC).minute for due in each.due_lists[-1].dues_ns})
        for each in ExpectedStore(folder / "state").jobs()
    }


found = [said()]
nightly.enabled = False
nightly.save()
found.append(said())
nightly.enabled = True
nightly.crontab, _ = models.CrontabSchedule.objects.get_or_create(minute="40", hour="*", timezone="UTC")
nightly.save()
found.append(said())
measure.close()
sys.stdout.write(json.dumps(found))
