"""Jobs that are no plain functions keep what they are: partials, methods, builtins, objects, classes."""

import asyncio
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints

import pytest

from tests.spans.support import Bench


def add(first: int, second: int = 0) -> int:
    """Adds."""
    return first + second


async def add_async(first: int) -> int:
    """Adds, too."""
    return first + 1


class Adder:
    """Adds too."""

    def __init__(self, step: int = 1) -> None:
        self.step = step

    def __call__(self, number: int) -> int:
        return number + self.step

    def method(self, number: int) -> int:
        return number + self.step

    async def coroutine(self, number: int) -> int:
        return number + self.step


@functools.lru_cache
def cached(number: int) -> int:
    """Adds, once for each number."""
    return number + 1


UNBOUND: list[Any] = [functools.partial(add, 1), Adder(1).method, Adder(1), abs, [0, 1, 2, 3].index, range]


@pytest.mark.parametrize("original", UNBOUND, ids=["partial", "method", "object", "builtin", "wrapper", "class"])
def test_what_does_not_bind_does_not_bind_as_a_class_attribute(bench: Bench, original: Callable[[int], object]) -> None:
    """No extra `self`, as without us."""

    class Holder:
        handler = bench.job(original)

    assert Holder().handler(2) == Holder.handler(2) == original(2)
    assert [run.status for run in bench.journal.runs] == ["end", "end"]
    if original is not range:  # it has no signature
        assert inspect.signature(Holder.handler) == inspect.signature(original)


def test_a_cached_function_binds_and_keeps_its_methods(bench: Bench) -> None:
    """A cache in a class is a method, and has `cache_info`."""

    class Holder:
        @bench.job
        @functools.lru_cache  # noqa: B019 - that is what some do
        def method(self, number: int) -> int:
            return number

    holder, method = Holder(), cached
    assert (holder.method(1), holder.method(1)) == (1, 1)
    measured: Any = bench.job(method)
    measured(1)
    assert measured.cache_info().misses == 1
    measured.cache_clear()
    assert cached.cache_info().misses == 0
    assert len(bench.journal.runs) == 3


def test_attributes_and_hints_are_those_of_the_original_at_any_time(bench: Bench) -> None:
    """Also those that are set later, on either of the two."""
    adder = Adder()
    measured: Any = bench.job(adder)
    adder.step = 5
    assert measured.step == 5
    measured.step = 7
    assert adder.step == 7
    assert measured(1) == 8
    assert isinstance(measured, Adder)
    assert measured.__doc__ == "Adds too."
    partial: Any = bench.job(functools.partial(add, 1, second=2))
    assert (partial.func, partial.args, partial.keywords) == (add, (1,), {"second": 2})
    assert isinstance(partial, functools.partial)
    assert functools.partial(partial, 5).func is partial
    bound: Any = bench.job(adder.method)
    assert inspect.ismethod(bound)
    assert (bound.__self__, bound.__func__) == (adder, Adder.method)
    assert get_type_hints(bench.job(adder.method)) == {"number": int, "return": int}


def test_runners_still_see_a_coroutine_function(bench: Bench) -> None:
    """A partial of one, a bound one."""
    for original in (functools.partial(add_async, 1), functools.partial(Adder().coroutine, 1), Adder(0).coroutine):
        measured = bench.job(original)
        assert inspect.iscoroutinefunction(measured) is inspect.iscoroutinefunction(original) is True
    assert asyncio.run(bench.job(functools.partial(add_async, 1))()) == 2
    assert bench.journal.only.status == "end"


def test_a_class_stays_a_class(bench: Bench) -> None:
    """Each making of exactly this class is a run; `isinstance`, subclasses and attributes are as ever."""

    @bench.job
    class Import:
        limit: int = 3

        def __init__(self, number: int) -> None:
            if number > self.limit:
                raise ValueError(number)
            self.number = number

    class Sub(Import):
        pass

    class Holder:
        kind = Import

    one = Import(1)
    assert isinstance(Import, type)
    assert type(one) is Import
    assert isinstance(one, Import)
    assert isinstance(Sub(2), Import)  # no run: it is another class
    assert Holder().kind(3).number == 3
    with pytest.raises(ValueError, match="4"):
        Import(4)
    Import.limit = 9
    assert Import(4).number == 4
    assert str(inspect.signature(Import)) == "(number: int) -> None"
    assert [run.reason for run in bench.journal.runs] == ["end", "end", "error", "end"]


def test_classes_without_an_initializer_and_those_of_python(bench: Bench) -> None:
    """Named tuples have `__new__`, plain classes neither; `int` cannot be changed."""

    @bench.job
    class Pair(NamedTuple):
        a: int
        b: int

    assert Pair(1, b=2) == (1, 2)

    @bench.job
    class Plain:
        pass

    assert isinstance(Plain(), Plain)
    make: Callable[..., Any] = Plain
    with pytest.raises(TypeError):
        make(1)
    assert bench.job(int)("3") == 3
    measured: Any = bench.job(Adder)  # which others have already, so that it must not change
    assert type(measured(3)) is Adder
    assert isinstance(Adder(), measured)
    assert issubclass(Adder, measured)
    assert issubclass(type("Sub", (), {}), measured) is False
    assert isinstance(measured, type)

    class Sub(measured):  # type: ignore[misc]
        pass

    assert issubclass(Sub, Adder)
    assert [run.reason for run in bench.journal.runs] == ["end", "end", "error", "end", "end"]


def test_a_measured_object_can_be_measured_and_wrapped_again(bench: Bench) -> None:
    """By other decorators, and by us."""
    twice: Any = bench.job(bench.job(functools.partial(add, 1)))

    @functools.wraps(twice)
    def around(*arguments: int) -> int:
        return int(twice(*arguments))

    assert around(2) == 3
    assert isinstance(types.MethodType(bench.job(Adder()), 1)(), int)
    assert len(bench.journal.runs) == 3
