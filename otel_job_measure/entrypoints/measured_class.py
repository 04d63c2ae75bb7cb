"""Classes as jobs: each making of an instance of exactly that class is a run."""

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, cast

from otel_job_measure.entrypoints.wrappers import call
from otel_job_measure.spans.active_run import ActiveRun

_Opens = Callable[[], ActiveRun]


def measure_class(opens: _Opens, kind: type) -> bool:
    """Measures each making of an instance of exactly this class, if the class is just being defined.

    Returns False for a class that others may have already, and for one that cannot be changed.
    """
    if is_found(kind):
        return False
    class_: Any = kind
    try:
        if "__init__" in vars(kind):
            _measure(opens, kind, "__init__")
        elif class_.__init__ is object.__init__ and isinstance(vars(kind).get("__new__"), staticmethod):
            _measure(opens, kind, "__new__")
        else:  # a decorator above ours may still write one, as those of dataclasses and attrs do
            class_.__new__ = _FirstMaking(opens, kind)
    except TypeError:  # one of Python's own, or of a compiled module
        return False
    return True


def is_found(job: Any) -> bool:  # noqa: ANN401 - any callable
    """Returns whether a job is the one that its module has under its name."""
    try:
        return functools.reduce(getattr, job.__qualname__.split("."), sys.modules[job.__module__]) is job
    except (AttributeError, KeyError):
        return False


def _measure(opens: _Opens, kind: Any, name: str) -> None:  # noqa: ANN401 - a class
    """Measures a method of a class, once for each job."""
    original = getattr(kind, name)
    seen = getattr(original, "_measured_by", ())
    if any(one is opens for one in seen):
        return

    @functools.wraps(original)
    def make(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the class's
        made = self if name == "__new__" else cast("Any", type(self))
        if _is_same(made, kind):
            return call(opens(), original, self, *args, **kwargs)
        return original(self, *args, **kwargs)

    cast("Any", make)._measured_by = (*seen, opens)  # noqa: SLF001 - our own
    setattr(kind, name, make)


def _is_same(one: type, kind: type) -> bool:
    """Returns whether a class is `kind`, or the copy of it with slots that dataclasses and attrs make."""
    return one is kind or (one.__bases__, one.__module__, one.__qualname__) == (
        kind.__bases__,
        kind.__module__,
        kind.__qualname__,
    )


class _FirstMaking:
    """The `__new__` of a class without a method of its own to measure: it measures the one that is there later."""

    def __init__(self, opens: _Opens, kind: Any) -> None:  # noqa: ANN401 - a class
        self._opens = opens
        self._kind = kind
        self._original = None if kind.__new__ is object.__new__ else kind.__new__

    @property
    def __signature__(self) -> inspect.Signature:
        if self._original is not None:
            return inspect.signature(self._original)
        init = self._kind.__init__
        return inspect.signature(_takes_nothing if init is object.__init__ else init)

    def __call__(self, kind: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the class's
        if _is_same(kind, self._kind):
            if kind.__init__ is object.__init__ and not isinstance(self._original, _FirstMaking | None):
                return call(self._opens(), self._original, kind, *args, **kwargs)
            with contextlib.suppress(Exception):  # its metaclass takes no changes any more
                _measure(self._opens, kind, "__init__")
        if self._original is not None:
            return self._original(kind, *args, **kwargs)
        if (
            args or kwargs
        ) and kind.__init__ is object.__init__:  # with a `__new__` in the class, Python lets them pass
            raise TypeError(f"{kind.__name__}() takes no arguments")
        return object.__new__(kind)


def _takes_nothing(self: object) -> None: ...
