"""Connections of a process that has forked, in its child."""

import os
import weakref

_living: "weakref.WeakSet[object]" = weakref.WeakSet()
_of_parents: list[object] = []
_hooked = False


def never_collect_in_children(connections: object) -> None:
    """Keeps something for ever in each child of fork.

    Collecting it would close connections there, under a lock that may be held for ever.

    Args:
        connections: What holds them.
    """
    global _hooked  # noqa: PLW0603 - fork hooks belong to the process and cannot be taken back
    _living.add(connections)
    if not _hooked:
        _hooked = True
        os.register_at_fork(after_in_child=lambda: _of_parents.extend(_living))
