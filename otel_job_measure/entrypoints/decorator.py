"""`@measure.job`, the decorator of jobs of all kinds."""

import functools
import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any, Final, NamedTuple, ParamSpec, TypedDict, TypeVar, Unpack, cast

from otel_job_measure import names
from otel_job_measure.entrypoints.measured_class import measure_class
from otel_job_measure.entrypoints.measured_object import MeasuredObject
from otel_job_measure.entrypoints.wrappers import measured
from otel_job_measure.errors import UsageError
from otel_job_measure.expectations.arguments import Limits
from otel_job_measure.spans.active_run import ActiveRun, Opener
from otel_job_measure.spans.reasons import NO_REASONS, Reasons, checked_reasons

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Expected = tuple[type[BaseException], ...]


_MARK: Final = "_opens"
"""The attribute of a measured form that opens its runs: `MeasuredObject` has it too."""


class _How(TypedDict):
    expected: _Expected
    reasons: Reasons


class Decorated(NamedTuple):
    """What the decorator of a function says of its runs."""

    opener: Opener
    name: str
    expected: _Expected
    reasons: Reasons


def decorated(function: object) -> Decorated | None:
    """Returns what a measured function, a method or a partial of one was decorated with; None if it was not."""
    while isinstance(function, functools.partial) and not hasattr(cast("Any", function), _MARK):
        function = cast("Any", function).func
    opens: object = getattr(cast("Any", function), _MARK, None)
    if not isinstance(opens, functools.partial) or not isinstance(opens.func, MethodType):
        return None
    found = cast("functools.partial[ActiveRun]", opens)
    opener: object = cast("MethodType", found.func).__self__
    return Decorated(opener, found.args[0], **found.keywords) if isinstance(opener, Opener) else None


def job(
    opener: Opener,
    name: str | None = None,
    *,
    expected: _Expected = (),
    reasons: Reasons = NO_REASONS,
    **limits: Unpack[Limits],
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Returns a decorator that makes the measured form of a function; without a name, the job has the function's."""
    _check_expected(expected)
    _check_limits(limits)
    how: _How = {"expected": expected, "reasons": checked_reasons(reasons)}
    if name == "":
        raise UsageError("job() takes the name of a job, and got an empty string")

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        return cast("Callable[_P, _R]", _measured(opener, function, name, how, limits))

    return decorate


def _measured(opener: Opener, function: object, name: str | None, how: _How, limits: Limits) -> object:
    if isinstance(function, classmethod):
        raise UsageError("job() cannot measure a classmethod object: put @classmethod above it, not below")
    if isinstance(function, staticmethod):
        static = cast("staticmethod[..., Any]", function)
        return staticmethod(cast("Callable[..., Any]", _measured(opener, static.__func__, name, how, limits)))
    if not callable(function):
        raise UsageError(f"job() takes a name or a function, and got {function!r} ({type(function).__name__})")
    if opener.disabled:
        return function
    own_name = _own_name(function)
    module: object = getattr(function, "__module__", None)
    opener.declare(name or own_name, {**limits}, module if isinstance(module, str) else "")
    opens = functools.partial(opener.open, name or own_name, **how)
    if inspect.isfunction(function):
        wrapper = functools.update_wrapper(measured(opens, function), function)
        setattr(wrapper, _MARK, opens)
        return wrapper
    if inspect.isclass(function) and measure_class(opens, function):
        return function
    return MeasuredObject(opens, function, own_name)


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


def _check_limits(limits: Limits) -> None:
    unknown = [name for name in limits if name not in names.LIMITS]
    if unknown:
        raise UsageError(f"job() has no argument {unknown[0]}; it takes expected, reasons, {', '.join(names.LIMITS)}")
