"""The name of a job, and `unnamed` in place of a value that cannot be one."""

import contextlib
from collections.abc import Mapping
from typing import Any, cast

from otel_job_measure import names
from otel_job_measure.rate_limited_log import once

_once = once(__name__)
_MISSING = object()


def name_of(ctx: object) -> str:
    """Returns the job's name in a chain's context, its attribute or item `name`; `unnamed` if it has no usable one."""
    name = _attribute(ctx)
    if not (issubclass(type(name), str) and str.__str__(cast("str", name))):
        item = _item(ctx)
        name = name if item is _MISSING else item
    if name is _MISSING:
        return _unnamed("has neither an attribute nor an item `name`", f"a {_class_of(ctx)}")
    return usable_name(name, f"the name of a job's context ({_class_of(ctx)})")


def part_of(ctx: object, name: str) -> object:
    """Returns an attribute or an item of a chain's context; None if it has none."""
    found = _attribute(ctx, name)
    if found is _MISSING or found is None:
        found = _item(ctx, name)
    return None if found is _MISSING else found


def usable_name(name: object, what: str) -> str:
    """Returns a name as a plain string, or `unnamed` if it is empty or no string; `what` names it in the log."""
    if issubclass(type(name), str):  # `isinstance` would ask the value itself
        plain = name if type(name) is str else str.__str__(cast("str", name))
        return plain or _unnamed("is empty", what)
    return _unnamed(f"is not a string but {_class_of(name)}", what)


def _unnamed(trouble: str, what: str) -> str:
    with contextlib.suppress(Exception):  # a handler of the app's log may raise
        _once.warning(trouble, "%s %s: its runs are measured as `%s` (logged once)", what, trouble, names.UNNAMED)
    return names.UNNAMED


def _class_of(what: object) -> str:
    return str(type.__getattribute__(type(what), "__name__"))


def _attribute(ctx: object, name: str = "name") -> object:
    # A property of the app's own may raise anything, not only AttributeError.
    try:
        return getattr(ctx, name, _MISSING)
    except Exception:  # noqa: BLE001 - whatever it is, there is no name
        return _MISSING


def _item(ctx: object, name: str = "name") -> object:
    try:
        if isinstance(ctx, Mapping) and name not in ctx:  # a defaultdict would make an item
            return _MISSING
        return cast("Any", ctx)[name]
    except Exception:  # noqa: BLE001 - no items, a list, a closed shelf: there is no name
        return _MISSING
