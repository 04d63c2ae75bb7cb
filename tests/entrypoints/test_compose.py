"""Chains of middlewares."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from otel_job_measure.entrypoints.compose import compose, compose_sync
from otel_job_measure.errors import MisuseError, UsageError
from tests.spans.support import Anything

Next = Callable[[], Awaitable[Any]]


def noting(words: list[str], name: str) -> Callable[[Any, Next], Awaitable[Any]]:
    """Gives a middleware that notes when it begins and ends."""

    async def noted(ctx: Anything, call_next: Next) -> Anything:
        words.append(f"{name} begins")
        result = await call_next()
        words.append(f"{name} ends")
        return f"{name}({result})"

    return noted


def test_middlewares_go_around_each_other_and_the_handler() -> None:
    """From the first to the last and back; each can change what comes out."""
    words: list[str] = []

    async def handler(ctx: str) -> str:
        words.append(f"handler of {ctx}")
        return "x"

    composed = compose([noting(words, "a"), noting(words, "b")], handler)
    assert inspect.iscoroutinefunction(composed)
    assert asyncio.run(composed("ctx")) == "a(b(x))"
    assert words == ["a begins", "b begins", "handler of ctx", "b ends", "a ends"]


def test_sync_middlewares_and_handlers_fit_in() -> None:
    """A sync middleware returns what `next` gave it, or something else."""

    def passing(ctx: int, call_next: Callable[[], Any]) -> Anything:
        return call_next()

    def stopping(ctx: int, call_next: Callable[[], Any]) -> str:
        return "stopped"

    assert asyncio.run(compose([passing, noting([], "a"), passing], lambda ctx: ctx + 1)(1)) == "a(2)"
    assert asyncio.run(compose([passing, stopping], lambda ctx: ctx + 1)(1)) == "stopped"


def test_without_middlewares_there_is_the_handler() -> None:
    """As a schedule with an empty list has it."""
    assert asyncio.run(compose([], lambda ctx: ctx)(1)) == 1
    assert compose_sync([], lambda ctx: ctx)(1) == 1


def test_a_chain_can_run_many_times_at_once() -> None:
    """Each run has its own `next`s."""

    async def main() -> list[Any]:
        composed = compose([noting([], "a")], lambda ctx: ctx)
        return await asyncio.gather(*(composed(number) for number in range(3)))

    assert asyncio.run(main()) == ["a(0)", "a(1)", "a(2)"]


def test_next_twice_is_misuse() -> None:
    """The rest of the chain runs once; the error says whose doing it was."""
    handled: list[int] = []

    async def twice(ctx: Anything, call_next: Next) -> None:
        await call_next()
        await call_next()

    def sync_twice(ctx: Anything, call_next: Callable[[], Any]) -> None:
        call_next()
        call_next()

    with pytest.raises(MisuseError, match=r"middlewares\[1\]"):
        asyncio.run(compose([noting([], "a"), twice], handled.append)(1))
    with pytest.raises(MisuseError, match=r"middlewares\[0\]"):
        compose_sync([sync_twice], handled.append)(1)
    assert handled == [1, 1]


def test_the_list_is_taken_as_it_is() -> None:
    """What is put into it later is for the next chain."""
    middlewares = [noting([], "a")]
    composed = compose(middlewares, lambda ctx: ctx)
    middlewares.clear()
    assert asyncio.run(composed(1)) == "a(1)"


@pytest.mark.parametrize("make", [compose, compose_sync])
@pytest.mark.parametrize(
    ("middlewares", "handler", "said"),
    [
        ([print, "job_measure"], print, "middlewares[1] is 'job_measure' (str)"),
        ([None], print, "middlewares[0] is None (NoneType)"),
        ([], 7, "handler, and got 7 (int)"),
        (None, print, "list of middlewares, and got None (NoneType)"),
    ],
)
def test_what_cannot_be_called_is_named_at_once(
    make: Anything, middlewares: Anything, handler: Anything, said: str
) -> None:
    """With its place and what it is."""
    with pytest.raises(UsageError) as caught:
        make(middlewares, handler)
    assert said in str(caught.value)


def test_sync_chains_give_what_their_handler_gives() -> None:
    """In the same order."""

    def adding(ctx: int, call_next: Callable[[], int]) -> int:
        return call_next() + ctx

    assert compose_sync([adding, adding], lambda ctx: ctx * 100)(2) == 204
