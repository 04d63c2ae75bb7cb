"""The measured form of callables that are no plain functions: partials, methods, builtins, objects, found classes."""

import copy
import functools
import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Self, cast

from otel_job_measure.entrypoints.measured_class import is_found
from otel_job_measure.entrypoints.stand_in import StandIn, special_methods
from otel_job_measure.entrypoints.wrappers import measured
from otel_job_measure.spans.active_run import ActiveRun

_Opens = Callable[[], ActiveRun]


class MeasuredObject(functools.partial[Any], StandIn):
    """Calls a job that is no function in its run; for everything else it is that job.

    As a partial of a function of the job's kind it tells runners whether it is a coroutine function.
    """

    def __new__(cls, opens: _Opens, job: Any, name: str) -> Self:  # noqa: ANN401 - any callable
        """Makes the measured form of a job."""
        wrapper = measured(opens, job)
        wrapper.__name__ = wrapper.__qualname__ = name
        kind = cast("Any", type(job))
        methods = special_methods(kind)
        # Compiled and cached functions become methods in a class, as plain functions do.
        if hasattr(kind, "__get__") and not issubclass(kind, MethodType | functools.partial):
            of_python = isinstance(getattr(kind, "__get__", None), FunctionType)
            methods["__get__"] = _bound_by_itself if of_python else _bound
        if not _tells(job, wrapper):  # only its `__call__` is a coroutine function, say: some runners look there
            methods["__call__"] = staticmethod(functools.update_wrapper(wrapper, job.__call__))
        own = cast("type[Self]", type(cls.__name__, (cls,), {**methods, "__module__": cls.__module__}))
        self = super().__new__(own, functools.partial(wrapper).__call__ if "__call__" in methods else wrapper)
        vars(self).update(
            __wrapped__=job,
            __name__=name,
            __qualname__=getattr(job, "__qualname__", name),
            __module__=getattr(job, "__module__", None),
            __doc__=job.__doc__,
            _opens=opens,
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

    def __copy__(self) -> Any:  # noqa: ANN401 - the measured form of a copy, or itself
        return self if is_found(self) else MeasuredObject(self._opens, copy.copy(self.__wrapped__), self.__name__)

    def __reduce__(self) -> str | tuple[object, ...]:
        if is_found(self):  # where it was defined, as a cached function
            return str(self.__qualname__)
        return MeasuredObject, (self._opens, self.__wrapped__, self.__name__)


def _bound(self: Any, instance: object, owner: type | None = None) -> Any:  # noqa: ANN401, ARG001 - a descriptor
    return self if instance is None else MethodType(self, instance)


def _bound_by_itself(self: Any, instance: object, owner: type | None = None) -> Any:  # noqa: ANN401 - a descriptor
    """Returns the measured form of what a descriptor of the app makes of itself, which can be no method."""
    found = self.__wrapped__.__get__(instance, owner)
    return MeasuredObject(self._opens, found, self.__name__) if callable(found) else found


def _tells(job: Any, wrapper: Any) -> bool:  # noqa: ANN401 - any callable
    """Returns whether `inspect` tells the same kind of a job and of its measured form."""
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return all(is_kind(job) == is_kind(wrapper) for is_kind in kinds)
