"""What this process says of its jobs and cannot note in a state directory. Senders read it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from otel_job_measure.clock import Clock

if TYPE_CHECKING:
    from otel_job_measure.expectations.expectation import ExpectedJob, JobId, Source
    from otel_job_measure.journal.statements import Key, Known, Snapshot

_Place = tuple[str, str]
"""A source and its origin."""


class ExpectedMemory:
    """The methods of `ExpectedStore` that notes and senders call, over no file."""

    folder: Final = "memory"
    """What messages call it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: Mapping[_Place, Mapping[Key, Known]] = {}
        self._changes = 0
        self._told: dict[str, Mapping[str, object]] = {}

    def note(self, snapshot: "Snapshot", *, patience_s: float = 0.0) -> bool:  # noqa: ARG002 - nobody else writes
        """Keeps what the code says now; returns whether that changed anything."""
        from otel_job_measure.journal.statements import merged  # noqa: PLC0415 - most processes declare nothing

        place = snapshot.source, snapshot.origin
        before = self._known.get(place, {})
        after = merged(before, snapshot, self._clock.wall_ns())
        self._put(place, after)
        is_new = {key: each.expected for key, each in before.items()} != {
            key: each.expected for key, each in after.items()
        }
        self._changes += is_new
        return is_new

    def clear(self, source: "Source", origin: str) -> None:
        """Forgets what a source has said, because the state directory has it now."""
        if (source, origin) in self._known:
            self._put((source, origin), {})
            self._changes += 1

    def withdraw(self, source: "Source", origin: str, job: "JobId", *, since_ns: int) -> None:
        """Removes what a source has said of a job since a time, as if it had never said it."""
        known = self._known.get((source, origin), {})
        kept = {key: each for key, each in known.items() if key[0] != job or each.expected.first_seen_ns < since_ns}
        self._changes += len(kept) < len(known)
        self._put((source, origin), kept)

    def jobs(self) -> "list[ExpectedJob]":
        """Returns what each source says of each job."""
        return [each.expected for known in self._known.values() for each in known.values()]

    def signature(self) -> str:
        """Returns a text that changes whenever a job does; empty if there is none."""
        return str(self._changes) if self._known else ""

    def told(self, destination: str) -> Mapping[str, Any]:
        """Returns what was noted when a destination was told last; nothing if it never was."""
        return self._told.get(destination, {})

    def note_told(self, destination: str, content: Mapping[str, object]) -> None:
        """Notes what a destination was told."""
        self._told[destination] = content

    def _put(self, place: _Place, known: "Mapping[Key, Known]") -> None:
        # Replaced as a whole, because a sender may read it meanwhile.
        self._known = {**self._known, place: known}
