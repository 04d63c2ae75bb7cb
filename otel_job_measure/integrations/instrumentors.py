"""OpenTelemetry's instrumentors of the schedulers: `opentelemetry-instrument` installs the adapters with them.

An adapter is installed when the app has imported its library. So a process that does not use the library pays nothing,
not even a child of a process pool, which the launcher instruments too.
"""

import sys
from collections.abc import Collection
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # not exported
from wrapt import register_post_import_hook

from otel_job_measure.forks import fork_gate


class _Instrumentor(BaseInstrumentor):  # type: ignore[misc]  # it has no types
    """Installs one adapter. It never raises: a library that cannot be measured is logged once."""

    adapter: ClassVar[str]
    """The adapter's module."""
    library: ClassVar[tuple[str, ...]]
    """The modules that the adapter is installed after, as soon as none of them is half imported."""
    _is_wanted = False
    """Whether the adapter is still to be installed."""
    _is_hooked = False
    _measure: object = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Returns nothing: the adapter looks at the library's version itself."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._is_wanted, self._measure = True, kwargs.pop("measure", None)
        if kwargs:  # of a distribution, or of a configuration file
            _warn("%s takes no %s: its settings are environment variables", type(self).__name__, ", ".join(kwargs))
        if any(module in sys.modules for module in self.library):
            self._install()
        if not self._is_hooked:
            self._is_hooked = True
            for name in self.library:
                register_post_import_hook(self._imported, name)

    def _uninstrument(self, **_kwargs: Any) -> None:
        self._is_wanted = False
        if self.adapter in sys.modules:
            import_module(self.adapter).uninstall()

    def _imported(self, module: ModuleType) -> None:
        self._install(module.__name__)

    def _install(self, imported: str = "") -> None:
        others = [sys.modules[name] for name in self.library if name != imported and name in sys.modules]
        if not self._is_wanted or any(_is_half_imported(module) for module in others):
            return
        self._is_wanted = False
        try:
            with fork_gate():
                adapter = import_module(self.adapter)
            adapter.install(measure=self._measure)
        except Exception as error:  # noqa: BLE001 - the app goes on
            _warn("the jobs of this process are not measured: %s", error)


def _warn(message: str, *words: object) -> None:
    with fork_gate():
        from otel_job_measure.rate_limited_log import LOG  # noqa: PLC0415 - rarely needed

    LOG.warning(message, *words)


def _is_half_imported(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


class APSchedulerInstrumentor(_Instrumentor):
    """Measures the jobs of APScheduler."""

    adapter = "otel_job_measure.integrations.apscheduler"
    library = ("apscheduler.schedulers.base",)


class CeleryInstrumentor(_Instrumentor):
    """Measures the tasks of Celery."""

    adapter = "otel_job_measure.integrations.celery"
    library = ("celery.app", "celery.app.base", "celery.worker.request", "celery.beat")


class RQInstrumentor(_Instrumentor):
    """Measures the jobs of RQ."""

    adapter = "otel_job_measure.integrations.rq"
    library = ("rq",)
