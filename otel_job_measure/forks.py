"""Forks: one registry of what is done in a child, and the gate that a fork waits for.

A child of fork has its parent's memory, but must not use its parent's locks, threads and connections. Each part of the
package registers a hook here, and `Order` says in which order they run.

C code (uWSGI) forks without Python's hooks. So a part that is about to use something of a process compares process ids
and calls `check`, which then runs the same hooks. `os.getpid()` takes 0.2 µs. uWSGI's master also forks without holding
the GIL: if a thread holds it at that moment, the child waits for it for ever. So no thread of the package runs in a
process of which `is_forked_by_uwsgi` is true.

Two things must not be under way in another thread during a fork: an import by the package (the child would hang for
ever at the same import) and a transaction of the history (the child would lose committed rows). Both are done inside
`fork_gate()`, and a fork waits until the gate is free. The gate is re-entrant, so a fork, a signal handler or the
garbage collector inside it never waits for itself.
"""

# Its own fork hook takes its lock, and hooks before a fork run in the reverse order of their registration. Were it
# loaded after the gate's hook, a fork would wait for the gate with that lock, which an import inside the gate wants.
import logging  # noqa: F401  # pyright: ignore[reportUnusedImport]
import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import IntEnum
from types import MethodType
from typing import Any
from weakref import WeakMethod

_Hook = Callable[[], object]
_WEAK: Any = WeakMethod  # type checkers narrow to a weak method of unknown types otherwise

_gate = threading.RLock()
_hooks: "dict[Any, Order]" = {}
_turns: dict[int, threading.RLock] = {}
"""By process, because another thread of the parent may hold the parent's. Setting a default is one step."""
_pid = 0
"""The process that the hooks last ran in; 0 until something is registered."""


class Order(IntEnum):
    """When a hook runs in a child; the lowest first."""

    LOCKS = 1
    """Descriptors of file locks are closed: only the parent holds its locks."""
    CONNECTIONS = 2
    """Connections are kept from the garbage collector, which would close them under a lock that may be held."""
    PIPELINES = 3
    """Shippers are forgotten: their threads are the parent's."""
    JOURNALS = 4
    """Journals begin anew: a slot of its own, no open runs. Last, because another thread may append at once."""


def register(order: Order, hook: _Hook) -> None:
    """Has a function called in each child of fork; a method is held weakly, and each hook counts once."""
    _install()
    key: Any = WeakMethod(hook, _forget) if isinstance(hook, MethodType) else hook
    _hooks[key] = order


def check() -> None:
    """Runs the hooks if C code has forked this process since they last ran."""
    if _pid and _pid != (pid := os.getpid()):
        with _turns.setdefault(pid, threading.RLock()):  # threads of the child may come here at once
            if _pid != pid:
                _begin_in_child()


def is_forked_by_uwsgi() -> bool:
    """Returns whether this is a uWSGI that is about to fork: its master, or the process that loads the app for it."""
    uwsgi: Any = sys.modules.get("uwsgi")
    if not hasattr(uwsgi, "worker_id"):
        return False
    return not (uwsgi.worker_id() or uwsgi.mule_id() or uwsgi.i_am_the_spooler())


@contextmanager
def fork_gate() -> Generator[None]:
    """Holds off forks of this process while the block runs."""
    _install()
    with _gate:
        yield


def _install() -> None:
    global _pid  # noqa: PLW0603 - fork hooks belong to the process and cannot be taken back
    if not _pid:
        _pid = os.getpid()
        os.register_at_fork(before=_close_gate, after_in_parent=_open_gate, after_in_child=_begin_in_child)


def _close_gate() -> None:
    _gate.acquire()


def _open_gate() -> None:
    _gate.release()


def _begin_in_child() -> None:
    global _gate, _pid  # noqa: PLW0603 - they belong to the process
    _gate = threading.RLock()  # another thread of the parent may hold the old one
    for hook, _ in sorted(_hooks.items(), key=lambda item: item[1]):
        function: _Hook | None = hook if type(hook) is not _WEAK else hook()
        if function is not None:
            function()
    _pid = os.getpid()  # only now: a thread that finds it here goes on at once


def _forget(hook: object) -> None:
    _hooks.pop(hook, None)
