"""Classes as jobs, together with the decorators of data classes and attrs."""

import copy
import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from otel_job_measure.entrypoints.decorator import job
from tests.spans.support import Bench


def dataclass_of(decorate: Callable[[Any], Any], **options: bool) -> Any:  # noqa: ANN401 - a class made here
    """Returns a data class of a decorated class."""

    class Item:
        number: int
        names: list[str] = dataclasses.field(default_factory=list[str])

    above: Any = dataclasses.dataclass(**options)
    return above(decorate(Item))


@pytest.mark.parametrize("options", [{}, {"slots": True}, {"frozen": True}, {"slots": True, "frozen": True}])
def test_a_data_class_can_be_made_above_and_below(bench: Bench, options: dict[str, bool]) -> None:
    """Whichever decorator comes first, it has its arguments, its signature, and one run for each making."""
    plain = dataclass_of(lambda kind: kind, **options)
    above = dataclass_of(bench.job, **options)
    below = bench.job(dataclass_of(lambda kind: kind, **options))
    for kind in (above, below):
        assert str(inspect.signature(kind)) == str(inspect.signature(plain))
        assert repr(kind(1)) == repr(plain(1))
        assert dataclasses.replace(kind(number=2), number=3).number == 3
        assert copy.deepcopy(kind(1)) == kind(1)
    assert [run.status for run in bench.journal.runs] == ["end"] * 10


def test_attrs_classes_and_inherited_initializers(bench: Bench) -> None:
    """A decorator of attrs above ours; a class that only inherits; one that is measured twice."""

    @attrs.define
    @bench.job
    class Point:
        x: int

    class Base:
        def __init__(self, x: int) -> None:
            self.x = x

    @bench.job
    class Derived(Base):
        pass

    @job(bench.opener, "outer")
    @job(bench.opener, "inner")
    class Twice:
        pass

    point: Any = Point
    assert (point(x=1).x, Derived(2).x) == (1, 2)
    assert str(inspect.signature(Derived)) == "(x: int) -> None"
    assert not inspect.signature(Twice).parameters
    Base(3)
    twice: Any = Twice
    assert type(twice()) is type(twice()) is twice
    names = [run.job for run in bench.journal.runs]
    assert names == ["nightly", "nightly", "inner", "outer", "inner", "outer"]
