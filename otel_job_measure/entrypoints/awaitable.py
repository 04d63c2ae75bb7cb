"""Whether what a job returned is to be awaited."""

import inspect
from types import CoroutineType


def is_awaitable(result: object) -> bool:
    """Returns whether something can be awaited; never raises an `Exception`, not even at the end of the stack.

    Args:
        result: What a job returned. Its class is the job's code, too, and may say anything of itself.
    """
    if type(result) is CoroutineType:  # which takes no call, so that there is room for it wherever a job had room
        return True
    try:
        return inspect.isawaitable(result)
    except Exception:  # noqa: BLE001 - as said above
        return False
