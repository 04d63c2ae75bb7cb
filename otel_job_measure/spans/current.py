"""Makes a run's span the current one while a piece of its job runs."""

from contextvars import ContextVar, Token
from types import TracebackType

from opentelemetry import context as context_api
from opentelemetry.trace import Span, set_span_in_context

# Says whether a token belongs to the context that is current now; the API only logs an error where it does not.
_here: ContextVar[None] = ContextVar("otel_job_measure_here")


class Current:
    """Makes a span current inside a `with` block, as often as it is entered, one after the other.

    A coroutine or a generator that is given up is closed by the garbage collector in whatever context that happens to
    run: there is nothing to take back there, and nothing is.

    Args:
        span: The run's span; None where the app's tracing is to see nothing of it.
    """

    __slots__ = ("_here", "_span", "_token")

    def __init__(self, span: Span | None) -> None:
        self._span = span
        self._here: Token[None] | None = None
        self._token: Token[context_api.Context] | None = None

    def __enter__(self) -> None:
        if self._span is not None:
            self._here = _here.set(None)
            self._token = context_api.attach(set_span_in_context(self._span))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Makes current again what was so before; does nothing where that has been done."""
        if self._here is not None:
            try:
                _here.reset(self._here)
            except ValueError:
                self._token = None
            except RuntimeError:  # the first try was interrupted just after this
                pass
            self._here = None
        if self._token is not None:
            context_api.detach(self._token)
            self._token = None


NOT_CURRENT = Current(None)
"""For all runs without a span."""
