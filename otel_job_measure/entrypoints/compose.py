"""Chains of middlewares around a handler, as koa has them."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, cast

from otel_job_measure.entrypoints.wrappers import is_awaitable
from otel_job_measure.errors import MisuseError, UsageError

_C = TypeVar("_C")

# A middleware takes the context and `next`; what it returns is the chain's business, not ours.
Middleware = Callable[[_C, Callable[[], Any]], Any]
Handler = Callable[[_C], Any]


def compose(middlewares: Iterable[Middleware[_C]], handler: Handler[_C]) -> Callable[[_C], Coroutine[Any, Any, Any]]:
    """Puts middlewares around a handler.

    Args:
        middlewares: Called from the first to the last, each with the context and `next`, which calls what comes after
            it and is to be awaited. They may be synchronous, and then return what `next` gave them.
        handler: Called with the context at last; it may be synchronous too.

    Returns:
        A coroutine function that takes the context and returns what the first middleware returns.

    Raises:
        UsageError: Something among them cannot be called.
    """
    chain = _chain(middlewares, handler)

    async def step(position: int, ctx: _C) -> Any:  # noqa: ANN401 - the chain's
        if position == len(chain):
            result = handler(ctx)
        else:
            result = chain[position](ctx, _once(lambda: step(position + 1, ctx), position))
        return (await result) if is_awaitable(result) else result

    async def composed(ctx: _C) -> Any:  # noqa: ANN401 - the chain's
        return await step(0, ctx)

    return composed


def compose_sync(middlewares: Iterable[Middleware[_C]], handler: Handler[_C]) -> Callable[[_C], Any]:
    """Puts synchronous middlewares around a synchronous handler.

    Args:
        middlewares: Called from the first to the last, each with the context and `next`.
        handler: Called with the context at last.

    Returns:
        A function that takes the context and returns what the first middleware returns.

    Raises:
        UsageError: Something among them cannot be called.
    """
    chain = _chain(middlewares, handler)

    def step(position: int, ctx: _C) -> Any:  # noqa: ANN401 - the chain's
        if position == len(chain):
            return handler(ctx)
        return chain[position](ctx, _once(lambda: step(position + 1, ctx), position))

    def composed(ctx: _C) -> Any:  # noqa: ANN401 - the chain's
        return step(0, ctx)

    return composed


def _chain(middlewares: Iterable[Middleware[_C]], handler: object) -> tuple[Middleware[_C], ...]:
    """Returns the middlewares as they are now, each of them and the handler looked at."""
    if not isinstance(cast("object", middlewares), Iterable):
        raise UsageError(f"compose() takes a list of middlewares, and got {_shown(middlewares)}")
    chain = tuple(middlewares)
    for position, one in enumerate(chain):
        if not callable(one):
            raise UsageError(f"compose() takes functions: middlewares[{position}] is {_shown(one)}")
    if not callable(handler):
        raise UsageError(f"compose() takes a function as its handler, and got {_shown(handler)}")
    return chain


def _once(rest: Callable[[], Any], position: int) -> Callable[[], Any]:
    """Returns the `next` of one middleware in one call of the chain."""
    left = [rest]

    def call_next() -> Any:  # noqa: ANN401 - the chain's
        try:
            go_on = left.pop()
        except IndexError:
            raise MisuseError(f"next() was called twice by middlewares[{position}] of a chain") from None
        return go_on()

    return call_next


def _shown(value: object) -> str:
    return f"{value!r} ({type(value).__name__})"
