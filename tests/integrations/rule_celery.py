"""The app of `celery_app`, measured by the rule of docs/schedulers.md in place of the adapter."""

from typing import Any

from opentelemetry import trace

from otel_job_measure.integrations import celery
from tests.docs.test_schedulers import example
from tests.integrations import celery_app

app = celery_app.app
celery.uninstall()
celery_app.instrument()
_provider: Any = trace.get_tracer_provider()
_names: dict[str, Any] = {}
exec(example("Spans of other instrumentations"), _names)  # noqa: S102 - the page's own
_provider.add_span_processor(_names["processor"])
