"""Jobs that are no plain functions keep what they are: partials, methods, builtins, objects, classes."""

import asyncio
import copy
import functools
import inspect
import types
import unittest.mock
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, Self, cast, get_type_hints

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
    copy.copy(measured).step = 9
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
    for kind in (make, type("Sub", (Plain,), {})):
        with pytest.raises(TypeError):
            kind(1)
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


class Sized:
    """A callable object with uses of its own."""

    __slots__ = ("step",)

    def __init__(self, step: int = 1) -> None:
        self.step = step

    def __call__(self, number: int) -> int:
        return number + self.step

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sized) and self.step == other.step

    def __hash__(self) -> int:
        return 7

    def __len__(self) -> int:
        return 0

    def __getitem__(self, key: str) -> str:
        return key * 2

    def __add__(self, other: int) -> str:
        return f"+{other}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __format__(self, spec: str) -> str:
        return spec


def test_an_object_keeps_the_syntax_that_it_understands(bench: Bench) -> None:
    """Python looks for special methods on the type; equality, hash and truth count too."""
    measured: Any = bench.job(Sized())
    assert (measured == Sized(), Sized() == measured, measured == bench.job(Sized()), measured == Sized(2)) == (
        True,
        True,
        True,
        False,
    )
    assert (hash(measured), len(measured), bool(measured), measured["a"], measured + 3) == (7, 0, False, "aa", "+3")
    assert f"{measured:x}" == "x"
    assert {Sized(): 1}[measured] == 1
    with measured as entered:
        assert entered(1) == 2
    with pytest.raises(TypeError):
        int(measured)
    mock: Any = bench.job(unittest.mock.MagicMock(return_value=3))
    assert (mock(1), len(mock), mock.call_count, list(mock)) == (3, 0, 1, [])
    assert len(bench.journal.runs) == 2


def test_builtins_bound_methods_and_classes_are_equal_to_themselves(bench: Bench) -> None:
    """And hash alike; a class keeps `|` and its item syntax."""
    numbers: list[int] = []
    adder = Adder()
    originals: list[Any] = [numbers.append, adder.method, len, int]
    for original in originals:
        measured: Any = bench.job(original)
        assert measured == original
        assert original == measured
        assert {original: 1}[measured] == 1
        assert inspect.isroutine(measured) is inspect.isroutine(original)
    measured = bench.job(cast("Any", list[int]).__origin__)
    assert (measured[int], measured | None) == (list[int], cast("Any", list) | None)


class OfGenerators:
    async def __call__(self) -> AsyncIterator[int]:
        yield 1


def test_inspect_tells_the_same_of_an_object_and_of_its_call(bench: Bench) -> None:
    """Neither more nor less than without us: some runners look at the object, others at its `__call__`."""
    originals: list[Any] = [OfGenerators(), Adder(), functools.partial(add, 1), abs]
    for original in originals:
        measured: Any = bench.job(original)
        for tells in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
            assert tells(measured) is tells(original)
            assert tells(measured.__call__) is tells(original.__call__)
        assert inspect.isroutine(measured) is inspect.isroutine(original)


class Describing:
    """A callable that is a descriptor with an idea of its own."""

    name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> Callable[[], tuple[str, bool]]:
        return lambda: (self.name, instance is not None)

    def __call__(self) -> str:
        return "called"


def test_a_descriptor_of_the_app_binds_in_its_own_way(bench: Bench) -> None:
    """And gets its name; on the class, on an instance, and on its own."""

    class Holder:
        one = bench.job(Describing())

    assert (Holder().one(), Holder.one()) == (("one", True), ("one", False))
    assert bench.job(Describing())() == "called"
    assert [run.status for run in bench.journal.runs] == ["end"] * 3
