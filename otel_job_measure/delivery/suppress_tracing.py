"""Keeps the package's own requests out of traces: an empty context, and the keys that stop instrumentations."""

import contextvars
from collections.abc import Callable
from typing import Final, TypeVar

from opentelemetry import context

_T = TypeVar("_T")

# The API has only private names for these keys. Instrumentations also look for the plain ones, which came first.
_PRIVATE: Final = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
_PLAIN: Final = ("suppress_instrumentation", "suppress_http_instrumentation")


def untraced(call: Callable[[], _T]) -> _T:
    """Calls a function in an empty context in which no instrumentation makes spans."""
    # A thread can inherit the context of the thread that started it, and `close` delivers on the caller's thread.
    return contextvars.Context().run(_suppressed, call)


def _suppressed(call: Callable[[], _T]) -> _T:
    empty = context.Context()
    for key in (*_PLAIN, *(getattr(context, name, None) for name in _PRIVATE)):
        if isinstance(key, str):
            empty = context.set_value(key, value=True, context=empty)
    token = context.attach(empty)
    try:
        return call()
    finally:
        context.detach(token)
