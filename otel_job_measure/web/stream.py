"""Server-sent events: each browser hears that there is something new, and asks for its page again."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from otel_job_measure.web.bell import Bell

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from otel_job_measure.web.keeper import Kept

_QUIET_S: Final = 15.0
"""So often a browser hears something, so that a proxy keeps the connection and a dead one is noticed."""


class Stream:
    """The event streams of all browsers.

    Args:
        kept: Returns what is known now.
        bell: Rings after each look.
        watch: Notes that somebody looks.
        most: How many streams there may be; the other connections are for the pages.
    """

    def __init__(self, kept: "Callable[[], Kept[Any]]", bell: Bell, watch: Callable[[], None], most: int) -> None:
        self._kept = kept
        self._bell = bell
        self._watch = watch
        self._most = most
        self._open = 0
        self._ends = False

    def end(self) -> None:
        """Ends all streams."""
        self._ends = True
        self._bell.ring()

    def response(self) -> Response:
        """Returns a new stream; beyond the most, a refusal that makes the browser try again later."""
        if self._open >= self._most:
            refusal = {"Retry-After": "30", "Connection": "close"}
            return PlainTextResponse("Too many pages are open.\n", status_code=503, headers=refusal)
        return _Counted(self._events(), self._count)

    async def _events(self) -> AsyncIterator[str]:
        seen = self._kept().number
        yield f"retry: 5000\nevent: hello\ndata: {seen}\n\n"
        while not self._ends:
            self._watch()
            await self._bell.wait(_QUIET_S)
            kept = self._kept()
            if self._ends:
                return
            if kept.number == seen:
                yield ": still here\n\n"
                continue
            event = "changed" if kept.changed > seen else "same"
            seen = kept.number
            yield f"event: {event}\ndata: {seen}\n\n"

    def _count(self, more: int) -> None:
        self._open += more


class _Counted(StreamingResponse):
    """A stream that counts from its first moment to its last."""

    def __init__(self, events: AsyncIterator[str], count: Callable[[int], None]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._count = count

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        self._count(1)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._count(-1)
