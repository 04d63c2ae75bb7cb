"""What `jobs`, `watch`, `runs`, `show` and `report` ask a store, once or again and again."""

import argparse
import gc
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from otel_job_measure.cli import options
from otel_job_measure.cli.expected_here import ExpectedHere
from otel_job_measure.errors import StateDirError
from otel_job_measure.insight.check import Checked, wanted_jobs
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.look import look
from otel_job_measure.insight.overview import Overview, jobs
from otel_job_measure.insight.run_store import RunStore, Wanted
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    from otel_job_measure.insight.report.report import Report

_NO_FILE = Path(os.devnull)


class Viewer:
    """Looks at a store as often as it is asked, and writes no rows.

    Args:
        args: The options that say which store, and of `jobs` which jobs.

    Raises:
        SettingsError: The env file cannot be read.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        options.load_env_file(args.env_file)
        # Read once: the first look may have this process take the rights of a user who may not read it.
        self._args = argparse.Namespace(**{**vars(args), "env_file": _NO_FILE})
        self._server: RunStore | None = None
        self._expected_here: ExpectedHere | None = None
        self._complete_until_ns: int | None = None
        self.counts = False
        """Whether all runs are counted in no time."""
        self.lacks = ""
        """What the answers do not have, for people."""

    def store(self) -> RunStore:
        """Returns the store; a history is brought up to date.

        Raises:
            StoreError: It cannot be used.
        """
        if self._server is not None:
            return self._server
        asked = options.store_of(self._args)
        self._complete_until_ns, self.lacks, self.counts = asked.complete_until_ns, asked.lacks, asked.counts
        if not isinstance(asked.store, HistoryStore):
            self._server = asked.store  # it keeps its connection, and what it has read of secrets
        return asked.store

    def jobs(self) -> Overview:
        """Returns the jobs that the command means.

        Raises:
            StoreError: The store does not answer.
        """
        with _uncollected():
            store, found = self._looked()
            return jobs(store, found, since_ns=options.since_ns(self._args.since), wanted=self._wanted)

    def report(self) -> "Report":
        """Returns the report of the jobs that the command means.

        Raises:
            StoreError: The store does not answer.
        """
        from otel_job_measure.insight.report.report import report, usual_since_ns  # noqa: PLC0415 - for one command

        with _uncollected():
            store, found = self._looked()
            given = self._args.since
            since_ns = usual_since_ns(found) if given is None else options.since_ns(given)
            return report(store, found, since_ns=since_ns, wanted=self._wanted)

    def _looked(self) -> tuple[RunStore, Checked]:
        args, store = self._args, self.store()
        settings = self._local_settings()
        if settings is not None:
            self._expected_here = self._expected_here or ExpectedHere(settings)
        found = look(
            store,
            complete_until_ns=self._complete_until_ns,
            folder=None if settings is None else settings.state_path,
            wants=wanted_jobs(args.job, args.project, args.stage),
            here=() if self._expected_here is None else self._expected_here.jobs(),
        )
        return store, found

    @property
    def _wanted(self) -> Wanted:
        args = self._args
        return Wanted(job=args.job, project=args.project, stage=args.stage, host=args.host)

    @property
    def trace_link(self) -> str | None:
        """The URL of a trace, with places for its ids; None if none is configured."""
        settings = self._local_settings()
        return None if settings is None else settings.trace_link

    def _local_settings(self) -> Settings | None:
        """Returns the settings of the state directory; None if a server is asked, and nothing is kept here."""
        try:
            return options.local_settings(self._args)
        except StateDirError:
            if self._server is None:
                raise
            return None


@contextmanager
def _uncollected() -> Generator[None]:
    """Pauses the search for cycles of garbage, which goes through all runs again and again and finds none."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


def output_of(store: RunStore, uuid: str) -> Mapping[str, bytes]:
    """Returns what is kept of a run's output; no server has any."""
    return store.output(uuid) if isinstance(store, HistoryStore) else {}
