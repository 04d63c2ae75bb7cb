"""The one lock that a fork waits for, and what tells a process from the one that it was forked from.

Two things must not be under way in another thread while the process forks: an import of ours (the child would hang
for ever at the same import) and a transaction of the history (the child would lose committed rows). Both are done
inside `fork_gate()`, and a fork waits until the gate is free. It is re-entrant, so that a fork, a signal handler or
the garbage collector inside it never waits for itself.
"""

# Its own fork hook takes its lock. Hooks before a fork run in the reverse order of their making: were it loaded after
# ours is made, a fork would hold its lock while it waits for the gate, and an import inside the gate wants that lock.
import logging  # noqa: F401  # pyright: ignore[reportUnusedImport]
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager

_gate = threading.RLock()
_hooked = False
_followed = False

life: object = object()
"""Another one in each process, once `follow_life` was called: asking the system for the process's id takes longer."""


def follow_life() -> None:
    """Sees to it that a child of fork gets a `life` of its own."""
    global _followed  # noqa: PLW0603 - fork hooks belong to the process and cannot be taken back
    if not _followed:
        _followed = True
        os.register_at_fork(after_in_child=_begin_life)


def _begin_life() -> None:
    global life  # noqa: PLW0603 - as said
    life = object()


@contextmanager
def fork_gate() -> Generator[None]:
    """Holds off forks of this process while the block runs."""
    _hook()
    with _gate:
        yield


def _hook() -> None:
    global _hooked  # noqa: PLW0603 - fork hooks belong to the process and cannot be taken back
    if not _hooked:
        _hooked = True
        # A child of fork is the thread that forked, which holds the gate: it can release it as its parent does.
        os.register_at_fork(before=_gate.acquire, after_in_parent=_gate.release, after_in_child=_gate.release)
