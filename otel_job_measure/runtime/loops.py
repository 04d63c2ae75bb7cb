"""Which event loop runs."""

import sys


def is_asyncio() -> bool:
    """Returns whether a loop of asyncio runs in this thread; asyncio is not loaded for that."""
    asyncio = sys.modules.get("asyncio")
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:  # there is none
        return False
