"""What replaced methods call: the original, as Python would have called it."""

from functools import partial
from typing import Any

import pytest
import wrapt

from otel_job_measure.integrations.patches import Patches


class Job:
    """A scheduler's class."""

    def run(self, value: int) -> tuple[object, int]:
        return self, value

    @classmethod
    def create(cls, value: int) -> tuple[object, int]:
        return cls, value

    @staticmethod
    def free(value: int) -> tuple[object, int]:
        return None, value

    without_self = partial(divmod, 7)


def _seen(original: Any, first: object, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as any method
    return first, original(first, *args, **more)


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_the_original_is_called_as_python_calls_it(*, is_wrapped: bool) -> None:
    """Also if another library has wrapped it before: its wrapper gets the instance or the class."""
    owner: Any = type("Own", (), dict(vars(Job)))
    told: list[object] = []

    def theirs(wrapped: Any, instance: object, args: Any, more: Any) -> Any:  # noqa: ANN401 - as wrapt calls it
        told.append(instance)
        return wrapped(*args, **more)

    if is_wrapped:
        for name in ("run", "create", "free"):
            wrapt.wrap_function_wrapper(owner, name, theirs)
    before: dict[str, Any] = {name: vars(owner)[name] for name in ("run", "create", "free", "without_self")}
    patches = Patches()
    for name in before:
        patches.wrap(owner, name, _seen)
    job = owner()
    assert job.run(value=2) == (job, (job, 2))
    assert owner.create(3) == (owner, (owner, 3))
    assert job.free(4) == (job, (None, 4))
    assert job.without_self(2) == (job, (3, 1))
    assert told == ([job, owner, None] if is_wrapped else [])
    patches.restore()
    assert {name: vars(owner)[name] for name in before} == before
