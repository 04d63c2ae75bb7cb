"""What should happen, as rows: told on change and daily, by whichever process of a state directory sends next.

A row's time follows from what it says and from the day, so that several senders write identical bytes. A mark in the
state directory keeps the others from telling the same again.
"""

import contextlib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final, cast

from otel_job_measure.clock import Clock
from otel_job_measure.errors import LineProtocolError
from otel_job_measure.expectations.encoding import encode
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.journal.expected_memory import ExpectedMemory
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.points.monitor import Expected
from otel_job_measure.points.monitor_rows import line_of

_DAY_NS: Final = 86_400_000_000_000
_SPREAD_NS: Final = 3_600_000_000_000
"""Rows of one job by several sources or hosts must not have one time: each has its own in the first hour of the day."""
_BEFORE_NS: Final = 60_000_000_000
"""One file changes all hosts of a job at one time. So each host has its own time in the minute before, because readers
may leave out rows of the future."""
_DIGITS: Final = 16


class ExpectedRows:
    """The rows that one destination has not been told yet."""

    def __init__(self, store: ExpectedStore | ExpectedMemory, destination: str, clock: Clock) -> None:
        self._store = store
        self._destination = destination
        self._clock = clock
        self._known: tuple[str, int] = ("", 0)
        """The files' signature and the day when everything was told."""
        self._now = self._known
        """The same at the last look."""
        self._digests: dict[str, str] = {}

    def due(self) -> list[bytes]:
        """Returns the rows to tell now; as a rule none, after a look at the names in one folder."""
        now = (self._store.signature(), self._clock.wall_ns() // _DAY_NS)
        if now == self._known or not now[0]:
            return []
        told = self._store.told(self._destination)
        if (told.get("signature"), told.get("day")) == now:
            self._known = now
            return []
        rows: object = told.get("rows") if told.get("day") == now[1] else None
        known: Mapping[str, object] = cast("Mapping[str, object]", rows) if isinstance(rows, dict) else {}
        lines = dict(self._lines(now[1] * _DAY_NS))
        self._digests = {place: sha256(line).hexdigest()[:_DIGITS] for place, line in lines.items()}
        self._now = now
        return [line for place, line in lines.items() if known.get(place) != self._digests[place]]

    def note_told(self) -> None:
        """Notes that the rows that were due are at the destination."""
        self._known = self._now
        signature, day = self._now
        with contextlib.suppress(OSError):  # then another process tells the same again
            self._store.note_told(self._destination, {"signature": signature, "day": day, "rows": self._digests})

    def _lines(self, midnight_ns: int) -> Iterator[tuple[str, bytes]]:
        for job in self._store.jobs():
            try:
                yield _place(job)[:_DIGITS], line_of(row_of(job, midnight_ns))
            except LineProtocolError:  # a time that no field holds
                continue


def row_of(job: ExpectedJob, midnight_ns: int) -> Expected:
    """Returns what a source says of a job as a row, stamped by its last change or at its own time of the day."""
    number = int(_place(job), 16)
    changed_ns = max(job.versions[-1].since_ns, job.retired_ns or 0)
    at_ns = max(changed_ns - number % _BEFORE_NS, midnight_ns + number % _SPREAD_NS)
    return Expected(job=job.job, at_ns=at_ns, source=job.source, version=len(job.versions), text=encode(job))


def _place(job: ExpectedJob) -> str:
    return sha256("\n".join((*job.job, job.source, job.origin, job.host or "")).encode()).hexdigest()
