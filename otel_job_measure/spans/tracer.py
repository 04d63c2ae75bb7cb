"""Which provider the spans of our runs come from."""

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol, cast, runtime_checkable
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler

from otel_job_measure import names
from otel_job_measure.spans.guard import Guards
from otel_job_measure.spans.processor import OwnSpanProcessor
from otel_job_measure.spans.sampler import RecordingSampler

_NO_RESOURCE: Final[Mapping[str, object]] = MappingProxyType({})


class _Looking(threading.local):
    """Says of each thread whether it is asking a provider for our tracer."""

    here = False


_looking = _Looking()
_ask_for_global = trace.ProxyTracerProvider().get_tracer
_has_our_processor: WeakSet[trace.TracerProvider] = WeakSet()


class Bound:
    """A provider of the app's with our tracer.

    Args:
        provider: The provider.
        tracer: Our tracer of it, whose spans record.
    """

    __slots__ = ("provider", "tracer")

    def __init__(self, provider: trace.TracerProvider, tracer: trace.Tracer) -> None:
        self.provider = provider
        self.tracer = tracer

    @property
    def resource(self) -> Mapping[str, object]:
        """Returns the attributes of the provider's resource, as they are after the latest fork."""
        resource = getattr(self.provider, "resource", None)
        return getattr(resource, "attributes", _NO_RESOURCE)


class Providers:
    """Finds the provider of each run: the one given, else the app's global one.

    With none there is no span, since nobody could see it. A provider of our own would help nobody, and do some harm: at
    each fork of the app the SDK makes every provider find out in the child, with a thread, which process that is.

    Args:
        given: The app's provider, where it isn't the global one.
        version: Tells our version, for the scope of the spans, where there is a provider; None where nobody knows.
        guards: What counts and logs our failures.
    """

    def __init__(
        self, given: trace.TracerProvider | None, version: Callable[[], str | None] | None, guards: Guards
    ) -> None:
        # What the API gives out before there is a global provider stands for that one.
        self._given = None if isinstance(given, trace.ProxyTracerProvider) else given
        self._version = version
        self._guard = guards("binding to a tracer provider")
        self._bound: Bound | None = None
        self._without: Mapping[str, object] | None = None
        self._global_known = False

    def bind(self) -> None:
        """Binds to the app's provider where there is one already, so that the first run need not."""
        self.current()

    def current(self) -> tuple[Bound | None, Mapping[str, object]]:
        """Finds the provider for a run that begins now; the app may have set its own since the last one.

        Returns:
            The provider with our tracer, None where there can be no span; and the attributes of the resource.
        """
        bound = self._bound
        if bound is not None and bound.provider is (
            trace.get_tracer_provider() if self._given is None else self._given
        ):
            return bound, bound.resource
        if _looking.here:
            # A signal handler, or the garbage collector, inside what follows: a lock of the SDK may be held.
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
        """Returns what OpenTelemetry's variables say; other detectors can use threads and the network."""
        if self._without is None:
            self._without = OTELResourceDetector().detect().attributes
        return self._without

    def _apps_own(self) -> trace.TracerProvider | None:
        if self._given is not None:
            return self._given
        # With OTEL_PYTHON_TRACER_PROVIDER in the environment `get_tracer_provider` itself would fill the global slot:
        # it is asked only after a tracer, which nothing is filled for, has shown that the slot isn't empty.
        if not self._global_known:
            if isinstance(_ask_for_global(names.SCOPE), trace.ProxyTracer):
                return None
            self._global_known = True
        provider = trace.get_tracer_provider()
        return None if isinstance(provider, trace.ProxyTracerProvider) else provider


@runtime_checkable
class _TakesProcessors(Protocol):
    def add_span_processor(self, span_processor: SpanProcessor, /) -> None: ...


def _record_all(tracer: trace.Tracer) -> None:
    """Wraps the sampler of our own tracer, once; tracers that have none to be seen stay as they are."""
    sampler = getattr(tracer, "sampler", None)
    if isinstance(sampler, Sampler) and not isinstance(sampler, RecordingSampler):
        cast("Any", tracer).sampler = RecordingSampler(sampler)


def _add_our_processor(provider: trace.TracerProvider) -> None:
    if isinstance(provider, _TakesProcessors) and provider not in _has_our_processor:
        provider.add_span_processor(OwnSpanProcessor())
        _has_our_processor.add(provider)
