"""Values that check their arguments."""

import copy
import pickle
from typing import Any, cast

import pytest

from otel_job_measure.frozen import Frozen, frozen


@frozen
class Pair(Frozen):
    _parts = ("one", "two", "_both")
    __slots__ = _parts

    one: int
    two: list[int]
    _both: list[int]

    def __init__(self, *, one: int, two: list[int]) -> None:
        if one < 0:
            raise ValueError(one)
        self._keep({"one": one, "two": two, "_both": [one, *two]})


class Another(Pair):
    pass


PAIR = Pair(one=1, two=[2])


def test_nobody_changes_it() -> None:
    """Neither what it has nor what it hasn't, and it says which."""
    pair = cast("Any", PAIR)
    with pytest.raises(AttributeError, match="one of Pair cannot be changed: make another one"):
        pair.one = 2
    with pytest.raises(AttributeError, match="one of Pair cannot be changed: make another one"):
        del pair.one
    with pytest.raises(AttributeError, match="three"):
        pair.three = 2
    with pytest.raises(AttributeError, match="three"):
        del pair.three
    assert not hasattr(pair, "__dict__")


def test_it_is_compared_by_its_parts() -> None:
    """With values of the same class."""
    assert Pair(one=1, two=[2]) == PAIR
    assert Pair(one=1, two=[3]) != PAIR
    assert Another(one=1, two=[2]) != PAIR
    assert PAIR != (1, [2], [1, 2])
    with pytest.raises(TypeError, match="unhashable"):
        hash(PAIR)


def test_it_shows_what_it_was_made_with() -> None:
    """And not what it has found out from that."""
    assert repr(PAIR) == "Pair(one=1, two=[2])"
    assert repr(Another(one=1, two=[])) == "Another(one=1, two=[])"


def test_one_that_was_refused_can_be_shown() -> None:
    """A traceback with local variables does so."""
    with pytest.raises(ValueError, match="-1") as caught:
        Pair(one=-1, two=[])
    assert repr(caught.traceback[-1].frame.f_locals["self"]) == "Pair()"


def test_it_can_be_copied_and_sent() -> None:
    """With all its parts, of which a deep copy has its own."""
    deep = copy.deepcopy(PAIR)
    for found in (copy.copy(PAIR), deep, pickle.loads(pickle.dumps(PAIR))):  # noqa: S301 - our own
        assert (found, type(found), found._both) == (PAIR, Pair, [1, 2])
    assert copy.copy(PAIR).two is PAIR.two
    assert deep.two is not PAIR.two
