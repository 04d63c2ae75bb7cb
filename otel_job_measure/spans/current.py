"""Makes a run's span the current one while a part of its job runs."""

from collections import deque
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

    No `Exception` of ours leaves it, not even where there is no room on the stack for another call.

    Args:
        span: The run's span; None where the app's tracing is to see nothing of it.
        troubles: Where what went wrong is kept for somebody who can tell of it.
    """

    __slots__ = ("_here", "_span", "_token", "_troubles")

    def __init__(self, span: Span | None, troubles: deque[Exception]) -> None:
        self._span = span
        self._troubles = troubles
        self._here: Token[None] | None = None
        self._token: Token[context_api.Context] | None = None

    def __enter__(self) -> None:
        try:
            if self._span is not None:
                self._here = _here.set(None)
                self._token = context_api.attach(set_span_in_context(self._span))
        except Exception as error:  # noqa: BLE001 - as said above
            self._troubles.append(error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
        except Exception as trouble:  # noqa: BLE001 - as said above
            self._troubles.append(trouble)

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


NOT_CURRENT = Current(None, deque(maxlen=1))
"""For all runs without a span."""
