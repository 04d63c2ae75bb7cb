"""Which event loop runs."""

import sys
from collections.abc import Callable


def is_asyncio() -> bool:
    """Returns whether a loop of asyncio runs in this thread; asyncio is not loaded for that."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:  # there is none
        return False


async def beside_loop(wait: Callable[[], bool]) -> bool:
    """Waits without blocking a loop of trio; a loop of another kind can only be held up."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return bool(await trio.to_thread.run_sync(wait, abandon_on_cancel=True))
    return wait()
