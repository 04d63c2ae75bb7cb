"""Checks declarations and writes them to the state directory. Only processes that declare something load it."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from otel_job_measure.clock import Clock
from otel_job_measure.expectations.expectation import Expectation, JobId
from otel_job_measure.expectations.limits import checked
from otel_job_measure.journal.expected_memory import ExpectedMemory
from otel_job_measure.journal.expected_store import BusyStoreError, ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.points.tags import resolve
from otel_job_measure.points.text import clean_tag
from otel_job_measure.rate_limited_log import LOG, RateLimitedLog
from otel_job_measure.spans.declarations import Declared, Key

_AGAIN_NS: Final = 3600 * 10**9


class Noting:
    """The checked declarations of a process, and the store that takes them, or `memory` if it cannot."""

    def __init__(
        self, store: ExpectedStore | ExpectedMemory, memory: ExpectedMemory, clock: Clock, origin: str
    ) -> None:
        self._clock = clock
        self._origin = origin
        self._store = store
        self._memory = memory
        self._log = RateLimitedLog(LOG, clock, every_s=1e9)
        self._taken: dict[Key, tuple[Declared, Expectation | None]] = {}
        self._began_ns = clock.wall_ns()
        self._noted: dict[Key, JobId] = {}
        self._noted_ns: int | None = None
        self._is_new = False

    def take(self, key: Key, declared: Declared) -> None:
        """Checks a declaration, unless it is known; each thing that is wrong with it is logged once."""
        before = self._taken.get(key)
        if before is not None and before[0] is declared:
            return
        found = checked(declared.limits, datetime.now(UTC))
        for limit, problem in found.problems:
            message = "job %r is measured without a limit that is wrong: %s"
            self._log.log(logging.ERROR, f"{key[0]} {limit} {problem}", message, key[0], problem)
        self._taken[key] = declared, found.usable
        self._is_new = True

    def max_runtime_s(self, key: Key) -> float | None:
        """Returns how long a run may take, in seconds."""
        _, expectation = self._taken.get(key, (None, None))
        return None if expectation is None else expectation.max_runtime_s

    def note(self, patience_s: float) -> None:
        """Writes what is new; the rest once an hour, so that other processes know that it is still declared."""
        now_ns = self._clock.monotonic_ns()
        try:
            taken = list(self._taken.items())
            ids = {key: _id_of(key[0], declared) for key, (declared, _) in taken}
            is_due = self._noted_ns is None or now_ns - self._noted_ns >= _AGAIN_NS
            if not (is_due or self._is_new or ids != self._noted):
                return
            self._is_new, self._noted_ns = False, now_ns
            snapshot = self._snapshot(taken, ids)
            try:
                self._write(self._store, snapshot, ids, patience_s)
            except BusyStoreError:
                self._is_new = True  # the next upkeep tries again
                return
            except OSError as error:
                self._complain(error)
                self._write(self._memory, snapshot, ids)
            self._noted = ids
        except Exception as error:  # noqa: BLE001 - a process that closes has more to do
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        message = "what should happen is not kept, %s cannot be written: %s: %s"
        self._log.warning("unwritten", message, self._store.folder, type(error).__name__, error)

    def _write(
        self,
        store: ExpectedStore | ExpectedMemory,
        snapshot: Snapshot,
        ids: Mapping[Key, JobId],
        patience_s: float = 0.0,
    ) -> None:
        store.note(snapshot, patience_s=patience_s)
        for key, job in self._noted.items():
            # Noted before this process knew the app's resource: no run ever has those tags.
            if ids.get(key) != job and job not in ids.values():
                store.withdraw("code", self._origin, job, since_ns=self._began_ns)
        if store is not self._memory:
            self._memory.clear("code", self._origin)

    def _snapshot(
        self, taken: Sequence[tuple[Key, tuple[Declared, Expectation | None]]], ids: Mapping[Key, JobId]
    ) -> Snapshot:
        return Snapshot(
            source="code",
            origin=self._origin,
            statements=[
                Statement(job=ids[key], expectation=expectation, host=_host(expectation), module=declared.module)
                for key, (declared, expectation) in taken
            ],
            is_whole=False,
            is_loaded=lambda module: module in sys.modules,
        )


def _host(expectation: Expectation | None) -> str | None:
    return os.uname().nodename if expectation is not None and expectation.scope == "host" else None


def _id_of(name: str, declared: Declared) -> JobId:
    """Returns a job's identity, as its rows have it."""
    tags = resolve(declared.settings, declared.resource())
    return JobId(clean_tag(name), clean_tag(tags.project or ""), clean_tag(tags.stage or ""))
