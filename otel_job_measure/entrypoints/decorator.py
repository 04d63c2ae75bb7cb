"""`@measure.job`, the decorator of jobs of all kinds."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

from otel_job_measure.entrypoints.wrappers import measured
from otel_job_measure.errors import UsageError
from otel_job_measure.spans.active_run import Opener

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Expected = tuple[type[BaseException], ...]


@overload
def job(opener: Opener, target: Callable[_P, _R], /, *, expected: _Expected = ()) -> Callable[_P, _R]: ...
@overload
def job(
    opener: Opener, target: str | None = None, /, *, expected: _Expected = ()
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def job(opener: Opener, target: object = None, /, *, expected: _Expected = ()) -> object:
    """Returns the measured form of a function, or a decorator if `target` is a name or None."""
    _check_expected(expected)
    if target is not None and not isinstance(target, str):
        return _measured(opener, target, None, expected)
    if target == "":
        raise UsageError("job() takes the name of a job, and got an empty string")

    def decorate(function: object) -> object:
        return _measured(opener, function, target, expected)

    return decorate


def _measured(opener: Opener, function: object, name: str | None, expected: _Expected) -> object:
    if isinstance(function, classmethod):
        raise UsageError("job() cannot measure a classmethod object: put @classmethod above it, not below")
    if isinstance(function, staticmethod):
        static = cast("staticmethod[..., Any]", function)
        return staticmethod(cast("Callable[..., Any]", _measured(opener, static.__func__, name, expected)))
    if not callable(function):
        raise UsageError(f"job() takes a name or a function, and got {function!r} ({type(function).__name__})")
    if opener.disabled:
        return function
    job_name = name or _own_name(function)
    wrapper = measured(functools.partial(opener.open, job_name, expected=expected), function)
    wrapper.__name__ = wrapper.__qualname__ = _own_name(function)
    return functools.update_wrapper(wrapper, function)


def _own_name(function: object) -> str:
    """Returns a function's name, of a partial its function's name, of an object its class's name."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) and name else type(function).__name__


def _check_expected(expected: object) -> None:
    kinds = cast("tuple[object, ...]", expected) if isinstance(expected, tuple) else (None,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise UsageError(f"expected= takes a tuple of exception classes, as (Retry,), and got {expected!r}")
