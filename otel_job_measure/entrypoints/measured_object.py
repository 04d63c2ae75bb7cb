"""The measured form of callables that are no plain functions: partials, methods, builtins, objects and classes."""

import functools
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any, Self, cast

from otel_job_measure.entrypoints.wrappers import call, measured
from otel_job_measure.spans.active_run import ActiveRun

_Opens = Callable[[], ActiveRun]


class MeasuredObject(functools.partial[Any]):
    """Calls a job that is no function in its run; for everything else it is that job.

    As a partial of a function of the job's kind it tells runners whether it is a coroutine function.
    """

    def __new__(cls, opens: _Opens, job: Any, name: str) -> Self:  # noqa: ANN401 - any callable
        """Makes the measured form of a job."""
        wrapper = measured(opens, job)
        wrapper.__name__ = wrapper.__qualname__ = name
        self = super().__new__(cls, wrapper)
        vars(self).update(
            __wrapped__=job,
            __name__=name,
            __qualname__=getattr(job, "__qualname__", name),
            __module__=getattr(job, "__module__", None),
            __doc__=job.__doc__,
            _opens=opens,
            # Compiled and cached functions become methods in a class, as plain functions do.
            _binds=hasattr(cast("Any", type(job)), "__get__") and not isinstance(job, MethodType | functools.partial),
        )
        return self

    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self.__wrapped__)  # pyright: ignore[reportUnknownVariableType] - the job's

    @property
    def func(self) -> Any:  # noqa: ANN401 - the job's
        """The function of the job if it is a partial, otherwise of this one."""
        return getattr(self.__wrapped__, "func", functools.partial.func.__get__(self))

    @property
    def args(self) -> Any:  # noqa: ANN401 - the job's
        """The arguments of the job if it is a partial."""
        return getattr(self.__wrapped__, "args", ())

    @property
    def keywords(self) -> Any:  # noqa: ANN401 - the job's
        """The keyword arguments of the job if it is a partial."""
        return getattr(self.__wrapped__, "keywords", {})

    def __get__(self, instance: object, owner: type | None = None) -> Any:  # noqa: ANN401 - a bound method or itself
        return MethodType(self, instance) if self._binds and instance is not None else self

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the job's
        return getattr(vars(self)["__wrapped__"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.__wrapped__)

    def __subclasscheck__(self, kind: type) -> bool:
        return issubclass(kind, self.__wrapped__)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[object, ...]:
        return (self.__wrapped__,)

    def __reduce__(self) -> str | tuple[object, ...]:
        if _is_found(self):  # where it was defined, as a cached function
            return str(self.__qualname__)
        return MeasuredObject, (self._opens, self.__wrapped__, self.__name__)


def measure_class(opens: _Opens, kind: type) -> bool:
    """Measures each making of an instance of exactly this class, if the class is just being defined.

    Returns False for a class that others may have already, and for one that cannot be changed.
    """
    if _is_found(kind):
        return False
    class_: Any = kind
    # The one that has the arguments: `object` refuses them in the other.
    name = "__new__" if class_.__init__ is object.__init__ and class_.__new__ is not object.__new__ else "__init__"
    original = getattr(class_, name)

    @functools.wraps(original)
    def make(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the class's
        if (self if name == "__new__" else type(self)) is kind:
            return call(opens(), original, self, *args, **kwargs)
        return original(self, *args, **kwargs)

    try:
        setattr(kind, name, make)
    except TypeError:  # one of Python's own, or of a compiled module
        return False
    return True


def _is_found(job: Any) -> bool:  # noqa: ANN401 - any callable
    """Returns whether a job is the one that its module has under its name."""
    try:
        return functools.reduce(getattr, job.__qualname__.split("."), sys.modules[job.__module__]) is job
    except (AttributeError, KeyError):
        return False
