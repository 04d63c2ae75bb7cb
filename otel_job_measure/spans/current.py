"""The span of a run as the current one, while the job's body runs."""

from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Final

from opentelemetry import context as context_api
from opentelemetry.trace import Span, set_span_in_context

from otel_job_measure.spans.guard import Guard, Guards

if TYPE_CHECKING:
    from opentelemetry.context import Context

# Whether a token belongs to the context that is current now: `detach` of the API only logs an error if it does not.
_here: ContextVar[None] = ContextVar("otel_job_measure_here")


class Current:
    """Makes a span current inside a `with` block; it can be entered again after it was left.

    The garbage collector closes an abandoned coroutine or generator in any context. Nothing is restored there.
    No `Exception` of ours leaves it, not even at the end of the stack.
    """

    __slots__ = ("_guard", "_here", "_span", "_token")

    def __init__(self, span: Span | None, guard: Guard) -> None:
        self._span = span
        self._guard = guard
        self._here: Token[None] | None = None
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        try:
            if self._span is not None:
                self._here = _here.set(None)
                self._token = context_api.attach(set_span_in_context(self._span))
        except Exception as error:  # noqa: BLE001 - the guard's
            self._guard.keep(error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.release()
        except Exception as trouble:  # noqa: BLE001 - the guard's
            self._guard.keep(trouble)

    def release(self) -> None:
        """Makes the previous span current again, unless that is done."""
        if self._here is not None:
            try:
                _here.reset(self._here)
            except ValueError:
                self._token = None
            except RuntimeError:  # an earlier call was interrupted after this line
                pass
            self._here = None
        if self._token is not None:
            context_api.detach(self._token)
            self._token = None


NOT_CURRENT: Final = Current(None, Guards()("making a span current"))
