"""OpenTelemetry's instrumentors of the schedulers: `opentelemetry-instrument` installs the adapters with them.

An adapter is installed when the app has imported its library. So a process that does not use the library pays nothing,
not even a child of a process pool, which the launcher instruments too.
"""

import logging
import sys
from collections.abc import Collection
from importlib import import_module
from typing import Any, ClassVar, Final

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # not exported
from wrapt import register_post_import_hook

from otel_job_measure import names
from otel_job_measure.forks import fork_gate

_log: Final = logging.getLogger(names.LOGGER)


class _Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # it has no types
    """Installs one adapter. It never raises: a library that cannot be measured is logged once."""

    adapter: ClassVar[str]
    """The adapter's module."""
    library: ClassVar[str]
    """The module after whose import the adapter is installed."""
    _is_wanted = False
    _is_hooked = False
    _measure: object = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Returns nothing: the adapter looks at the library's version itself."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._is_wanted, self._measure = True, kwargs.get("measure")
        if self.library in sys.modules:
            self._install()
        elif not self._is_hooked:
            self._is_hooked = True
            register_post_import_hook(lambda _module: self._install(), self.library)

    def _uninstrument(self, **_kwargs: Any) -> None:
        self._is_wanted = False
        if self.adapter in sys.modules:
            import_module(self.adapter).uninstall()

    def _install(self) -> None:
        if not self._is_wanted:
            return
        try:
            with fork_gate():
                adapter = import_module(self.adapter)
            adapter.install(measure=self._measure)
        except Exception as error:  # noqa: BLE001 - the app goes on
            _log.warning("the jobs of this process are not measured: %s", error)


class APSchedulerInstrumentor(_Instrumentor):
    """Measures the jobs of APScheduler."""

    adapter = "otel_job_measure.integrations.apscheduler"
    library = "apscheduler.schedulers.base"


class CeleryInstrumentor(_Instrumentor):
    """Measures the tasks of Celery."""

    adapter = "otel_job_measure.integrations.celery"
    library = "celery.app.base"


class RQInstrumentor(_Instrumentor):
    """Measures the jobs of RQ."""

    adapter = "otel_job_measure.integrations.rq"
    library = "rq"
