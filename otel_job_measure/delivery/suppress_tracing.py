"""Keeps our own work out of everybody's traces: an empty context, and a word to instrumentations."""

import contextvars
from collections.abc import Callable
from typing import Final, TypeVar

from opentelemetry import context

_T = TypeVar("_T")

# The API has only private names for these keys. Instrumentations also look for the plain ones, which came first.
_PRIVATE: Final = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
_PLAIN: Final = ("suppress_instrumentation", "suppress_http_instrumentation")


def untraced(call: Callable[[], _T]) -> _T:
    """Calls something in a context of its own, empty but for the wish not to be instrumented.

    Args:
        call: What to call; spans that are current where `untraced` is called are not current in it.

    Returns:
        What it returned.
    """
    # A thread can have been given the context of whoever started it, and `close` delivers on the caller's thread.
    return contextvars.Context().run(_suppressed, call)


def _suppressed(call: Callable[[], _T]) -> _T:
    quiet = context.Context()
    for key in (*_PLAIN, *(getattr(context, name, None) for name in _PRIVATE)):
        if isinstance(key, str):
            quiet = context.set_value(key, value=True, context=quiet)
    token = context.attach(quiet)
    try:
        return call()
    finally:
        context.detach(token)
