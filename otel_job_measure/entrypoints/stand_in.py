"""The special methods of a stand-in: Python looks them up on the type, so each gets those of the object's type."""

from collections.abc import Callable
from typing import Any, Final, cast

_OPERATORS: Final = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor"
_OTHERS: Final = (
    "eq ne lt le gt ge hash bool len length_hint iter next reversed contains getitem setitem delitem"
    " enter exit aenter aexit aiter anext str format bytes int float complex index fspath dir"
    " neg pos abs invert round trunc floor ceil set delete set_name"
)
SPECIAL: Final = frozenset(
    f"__{name}__" for name in (*_OTHERS.split(), *(side + one for one in _OPERATORS.split() for side in ("", "r", "i")))
)
"""What an object can do by a syntax or a builtin function other than a call, an attribute or an await."""


class StandIn:
    """What stands for an object of the job, which it has as `__wrapped__`."""

    __slots__ = ()


def special_methods(kind: type) -> dict[str, Any]:
    """Returns methods for the type of a stand-in that do what those of `kind` do with the object it stands for."""
    found: dict[str, Any] = {}
    for name in SPECIAL:
        method = _looked_up(kind, name)
        if method is not _looked_up(object, name):
            found[name] = None if method is None else _forward(name)  # None: it has no hash, say
    if issubclass(kind, type):  # classes are equal to themselves; `list[int]` is no method of their type
        found.update({name: _forward(name) for name in ("__eq__", "__ne__", "__hash__")}, __getitem__=_item)
    return found


def _looked_up(kind: type, name: str) -> Any:  # noqa: ANN401 - any descriptor
    return next((vars(one)[name] for one in kind.__mro__ if name in vars(one)), None)


def _forward(name: str) -> Callable[..., Any]:
    def method(self: StandIn, *arguments: Any) -> Any:  # noqa: ANN401 - the job's
        job = _object_of(self)
        kind = cast("Any", type(job))
        function = _looked_up(kind, name)
        bound = function.__get__(job, kind) if hasattr(function, "__get__") else function
        result = bound(*(_object_of(one) for one in arguments))
        return self if result is job else result

    method.__name__ = name
    return method


def _item(self: Any, item: Any) -> Any:  # noqa: ANN401 - the job's
    return self.__wrapped__[item]


def _object_of(value: Any) -> Any:  # noqa: ANN401 - any argument
    return value.__wrapped__ if issubclass(type(value), StandIn) else value
