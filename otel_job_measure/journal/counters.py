"""What a process counts about its own points."""

import threading
from collections import Counter
from typing import NamedTuple


class Counts(NamedTuple):
    """The counts at one moment, in points."""

    appended: int
    delivered: int
    rejected: int
    expired: int
    dropped: dict[str, int]
    """By cause: `max_bytes`, `memory`, …"""
    given_up: int
    """Those of `appended` that were dropped."""


class Counters:
    """Counts points. A re-entrant lock guards each count: a run may begin in a signal handler inside any of them.

    What is appended needs none: the journal counts it, one append at a time.
    """

    def __init__(self) -> None:
        """Starts at zero."""
        self.forked()

    def forked(self) -> None:
        """Starts at zero again, in a child: what the parent counted is the parent's."""
        self._lock = threading.RLock()
        self._counts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self.appended = 0
        """Points that are in the journal, which alone adds to it, under its own lock."""

    def delivered(self, points: int) -> None:
        """Counts points that InfluxDB has said it has."""
        self._add("delivered", points)

    def rejected(self, points: int) -> None:
        """Counts points that InfluxDB refused for good."""
        self._add("rejected", points)

    def expired(self, points: int) -> None:
        """Counts points that were older than the bucket's retention."""
        self._add("expired", points)

    def dropped(self, points: int, cause: str, *, own: int = 0) -> None:
        """Counts dropped points by cause; this process had appended `own` of them."""
        with self._lock:
            self._dropped[cause] += points
            self._counts["given_up"] += own

    def now(self) -> Counts:
        """Returns a copy of the counts."""
        kinds = ("delivered", "rejected", "expired", "given_up")
        with self._lock:
            counts = {kind: self._counts[kind] for kind in kinds}
            return Counts(appended=self.appended, dropped=dict(self._dropped), **counts)

    def _add(self, name: str, points: int) -> None:
        with self._lock:
            self._counts[name] += points
