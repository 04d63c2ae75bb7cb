"""Connections of a process that has forked, in its child."""

import weakref

from otel_job_measure import forks

_living: "weakref.WeakSet[object]" = weakref.WeakSet()
_of_parents: list[object] = []


def never_collect_in_children(connections: object) -> None:
    """Keeps something for ever in each child of fork.

    Collecting it would close connections there, under a lock that may be held for ever.

    Args:
        connections: What holds them.
    """
    _living.add(connections)
    forks.register(forks.Order.CONNECTIONS, _keep)


def _keep() -> None:
    _of_parents.extend(_living)
