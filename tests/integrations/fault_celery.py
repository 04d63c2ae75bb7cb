"""An app of Celery whose tasks have odd names, and whose signals have receivers that fail."""

from importlib import import_module
from typing import Any, Final

from tests.integrations import fault_jobs

_signals: Any = import_module("celery.signals")
_SIGNALS: Final = ("before_task_publish", "task_prerun", "task_postrun", "task_success", "worker_process_shutdown")


class _Raises:
    def __call__(self, *words: object, **more: object) -> None:
        fault_jobs.raises()


def _connect() -> None:
    for name in _SIGNALS:
        getattr(_signals, name).connect(_Raises(), weak=False)


_connect()  # called before the adapter's receivers
celery_app: Any = import_module("tests.integrations.celery_app")
_connect()  # and after them

app: Any = celery_app.app
NAMES: Final = ("n" * 2000, "caf\u00e9 \U0001f389", "two\nlines", " ")
odd: Final = [app.task(name=name)(fault_jobs.nothing) for name in NAMES]
wait: Final = app.task(name="wait")(fault_jobs.wait)
