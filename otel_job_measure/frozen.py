"""Values that look at their arguments; all others are named tuples, which are made in no time."""

from collections.abc import Mapping
from typing import ClassVar, TypeVar, dataclass_transform

_T = TypeVar("_T")


class Frozen:
    """A value that nobody changes: compared, hashed, copied and shown by its parts."""

    __slots__ = ()

    _parts: ClassVar[tuple[str, ...]] = ()
    """The names of its attributes; what begins with an underscore is not shown."""

    def _keep(self, values: Mapping[str, object]) -> None:
        for name in self._parts:
            object.__setattr__(self, name, values[name])

    def __setattr__(self, name: str, value: object) -> None:
        self._refuse(name)
        object.__setattr__(self, name, value)  # a subclass may have more

    def __delattr__(self, name: str) -> None:
        self._refuse(name)
        object.__delattr__(self, name)

    def __eq__(self, other: object) -> bool:
        return self.__getstate__() == other.__getstate__() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.__getstate__())

    def __repr__(self) -> str:
        # A traceback may show one that was refused, which has no parts yet.
        shown = [name for name in self._parts if not name.startswith("_") and hasattr(self, name)]
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __getstate__(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self._parts)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self._keep(dict(zip(self._parts, state, strict=True)))

    def _refuse(self, name: str) -> None:
        if name in self._parts:
            raise AttributeError(f"{name} of {type(self).__name__} cannot be changed: make another one")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def frozen(cls: type[_T]) -> type[_T]:
    """Tells type checkers that a class's attributes stay as they are; those that a subclass adds may change."""
    return cls
