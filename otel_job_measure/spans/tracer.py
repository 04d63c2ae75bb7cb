"""The tracer of package-opened runs: the app's provider, with a sampler that records every run."""

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, cast, runtime_checkable
from weakref import WeakValueDictionary

from opentelemetry import trace
from opentelemetry.environment_variables import OTEL_PYTHON_TRACER_PROVIDER
from opentelemetry.sdk.resources import OTELResourceDetector
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler

from otel_job_measure import names
from otel_job_measure.settings.environment import process_environment
from otel_job_measure.spans.guard import Guards
from otel_job_measure.spans.processor import JobSpanProcessor
from otel_job_measure.spans.sampler import RecordingSampler

_NO_RESOURCE: Final[Mapping[str, object]] = MappingProxyType({})


class _Looking(threading.local):
    """Whether the present thread is asking a provider for our tracer."""

    here = False


_looking = _Looking()
_ask_for_global = trace.ProxyTracerProvider().get_tracer
# A provider keeps its processors as long as it lives. By its identity: a provider may not be hashable.
_processors: WeakValueDictionary[int, JobSpanProcessor] = WeakValueDictionary()


class Bound(NamedTuple):
    """The app's provider with our tracer, whose spans record."""

    provider: trace.TracerProvider
    tracer: trace.Tracer

    @property
    def resource(self) -> Mapping[str, object]:
        """The attributes of the provider's resource, as they are after the latest fork."""
        try:
            resource = getattr(self.provider, "resource", None)
            return getattr(resource, "attributes", _NO_RESOURCE)
        except Exception:  # noqa: BLE001 - code of a foreign provider; it costs the tags of the resource
            return _NO_RESOURCE


class Providers:
    """Finds the provider of each run: the given one, else the app's global one.

    Without a provider the runs have the API's no-op span. A provider of the package's own would start a thread in every
    forked child, and nothing would export its spans.
    """

    def __init__(
        self, given: trace.TracerProvider | None, version: Callable[[], str | None] | None, guards: Guards
    ) -> None:
        # The API's stand-in for a global provider that is not set yet means the global provider.
        self._given = None if issubclass(type(given), trace.ProxyTracerProvider) else given
        self._version = version
        self._guard = guards("binding to a tracer provider")
        self._bound: Bound | None = None
        self._without: Mapping[str, object] | None = None
        self._global_known = False

    def known_resource(self) -> Mapping[str, object]:
        """Returns the attributes of the present provider's resource, as far as that needs no import."""
        provider = self._given
        # With the variable, the API imports the provider that it names when it is first asked.
        if provider is None and (self._bound is not None or OTEL_PYTHON_TRACER_PROVIDER not in process_environment()):
            provider = trace.get_tracer_provider()
        try:
            attributes: object = getattr(getattr(provider, "resource", None), "attributes", None)
        except Exception:  # noqa: BLE001 - code of a foreign provider
            attributes = None
        if isinstance(attributes, Mapping):
            return cast("Mapping[str, object]", attributes)
        return _NO_RESOURCE if self._without is None else self._without

    def current(self) -> tuple[Bound | None, Mapping[str, object]]:
        """Returns our tracer of the present provider, None without one, and the attributes of the resource."""
        bound = self._bound
        if bound is not None and bound.provider is (
            trace.get_tracer_provider() if self._given is None else self._given
        ):
            return bound, bound.resource
        if _looking.here:
            # A signal handler or the garbage collector interrupted the search below: a lock of the SDK may be held.
            return None, _NO_RESOURCE
        try:
            _looking.here = True
            bound = self._find()
            return (bound, bound.resource) if bound is not None else (None, self._resource_of_environment())
        except Exception as error:  # noqa: BLE001 - the guard's
            self._guard.caught(error)
            return None, _NO_RESOURCE
        finally:
            _looking.here = False

    def _find(self) -> Bound | None:
        provider = self._apps_own()
        if provider is None:
            return None
        if self._bound is None or self._bound.provider is not provider:
            self._bound = self._bind(provider)
        return self._bound

    def _bind(self, provider: trace.TracerProvider) -> Bound:
        tracer = provider.get_tracer(names.SCOPE, None if self._version is None else self._version())
        with self._guard:
            _record_all(tracer)
        with self._guard:
            _add_our_processor(provider)
        return Bound(provider, tracer)

    def _resource_of_environment(self) -> Mapping[str, object]:
        """Returns the resource of OpenTelemetry's variables; other detectors can use threads and the network."""
        if self._without is None:
            self._without = OTELResourceDetector().detect().attributes
        return self._without

    def _apps_own(self) -> trace.TracerProvider | None:
        if self._given is not None:
            return self._given
        # With OTEL_PYTHON_TRACER_PROVIDER set, `get_tracer_provider` itself would fill an empty global slot. So a proxy
        # tracer, which fills nothing, must show first that the slot is not empty.
        if not self._global_known:
            if isinstance(_ask_for_global(names.SCOPE), trace.ProxyTracer):
                return None
            self._global_known = True
        provider = trace.get_tracer_provider()
        return None if issubclass(type(provider), trace.ProxyTracerProvider) else provider


@runtime_checkable
class _TakesProcessors(Protocol):
    def add_span_processor(self, span_processor: SpanProcessor, /) -> None: ...


def _record_all(tracer: trace.Tracer) -> None:
    """Wraps the sampler of our own tracer, once; a tracer without a public sampler stays as it is."""
    sampler = getattr(tracer, "sampler", None)
    if isinstance(sampler, Sampler) and not isinstance(sampler, RecordingSampler):
        cast("Any", tracer).sampler = RecordingSampler(sampler)


def _add_our_processor(provider: trace.TracerProvider) -> None:
    if isinstance(provider, _TakesProcessors) and id(provider) not in _processors:
        processor = JobSpanProcessor()
        provider.add_span_processor(processor)
        _processors[id(provider)] = processor
