"""Replaced attributes of a scheduler's classes, and their way back."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

_MISSING: Final = object()


class Patches:
    """What one adapter has replaced; `restore` puts everything back."""

    def __init__(self) -> None:
        self._replaced: list[tuple[type, str, Any, Any]] = []
        self._live = [True]

    def __bool__(self) -> bool:
        """Returns whether anything is replaced."""
        return bool(self._replaced)

    def wrap(self, owner: type, name: str, wrapper: Callable[..., Any]) -> None:
        """Replaces a method of a class; a missing one is left out.

        The new one calls `wrapper(original, *args, **more)`; the arguments begin with the instance or the class.
        """
        found: Any = vars(owner).get(name, _MISSING)
        if found is _MISSING:
            return
        is_of_class = isinstance(found, classmethod)
        live = self._live

        def original(first: Any, *args: Any, **more: Any) -> Any:
            # Another library's wrapper may look at its instance, so it is bound as Python binds it.
            if not hasattr(found, "__get__"):
                return found(*args, **more)
            bound = found.__get__(None, first) if is_of_class else found.__get__(first, type(first))
            return bound(*args, **more)

        @wraps(found)
        def replaced(*args: Any, **more: Any) -> Any:
            return wrapper(original, *args, **more) if live else original(*args, **more)

        new: Any = classmethod(replaced) if is_of_class else replaced
        setattr(owner, name, new)
        self._replaced.append((owner, name, found, new))

    def restore(self) -> None:
        """Puts the originals back; where another library has replaced ours meanwhile, ours only passes calls on."""
        self._live.clear()
        self._live = [True]
        while self._replaced:
            owner, name, original, new = self._replaced.pop()
            if vars(owner).get(name) is new:
                setattr(owner, name, original)
