"""What `check` does in one look, and again in the next: ask a store, write rows, tell people."""

import argparse
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from otel_job_measure.cli import options
from otel_job_measure.cli.expected_here import ExpectedHere
from otel_job_measure.cli.notifying import Looked, Teller
from otel_job_measure.errors import StoreError
from otel_job_measure.insight import checker_memory
from otel_job_measure.insight.check import Checked, wanted_jobs
from otel_job_measure.insight.check_rows import new_rows
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.look import look
from otel_job_measure.points.monitor_rows import line_of
from otel_job_measure.runtime import appending

if TYPE_CHECKING:
    from otel_job_measure.insight.run_store import RunStore

_NO_FILE = Path(os.devnull)


class Checker:
    """Looks at all jobs, as often as it is asked.

    Args:
        args: The options of `check`.

    Raises:
        NotifyError: A target cannot be used.
        SettingsError: The env file cannot be read.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._wants = wanted_jobs(args.job, args.project, args.stage)
        self._teller = Teller(args, self._wants)
        options.load_env_file(args.env_file)
        # Read once: the first look may have this process take the rights of a user who may not read it.
        self._args = argparse.Namespace(**{**vars(args), "env_file": _NO_FILE})
        self._server: RunStore | None = None
        self._store: RunStore | None = None
        self._expected_here: ExpectedHere | None = None

    def look(self) -> Checked:
        """Returns what holds now, and appends what is new to the journal.

        If a server has answered no look for an hour, the targets are told that.
        """
        asked = options.Asked(self._server) if self._server is not None else options.store_of(self._args)
        store = self._store = asked.store
        if not isinstance(store, HistoryStore):
            self._server = store  # it keeps its connection, and what it has read of secrets
        settings = options.local_settings(self._args)
        self._expected_here = self._expected_here or ExpectedHere(settings)
        here = self._expected_here.jobs()
        try:
            found = look(
                store,
                complete_until_ns=asked.complete_until_ns,
                folder=settings.state_path,
                wants=self._wants,
                here=here,
                remembers=True,
            )
        except StoreError:
            finding = checker_memory.read(settings.state_path).unanswered(time.time_ns())
            if finding is not None and not isinstance(store, HistoryStore):
                self._teller.tell_in_vain(finding, settings, self._expected_here.recipients)
            raise
        if not found.judgements:
            self._refuse_nothing(store, settings.state_path)
        lines = b"".join(line_of(row) for row in new_rows(found, store))
        if lines:  # without the right to write in the state directory, nothing is written
            appending.append(options.sending_settings(self._args), lines)
        return found

    def _refuse_nothing(self, store: "RunStore", folder: Path) -> None:
        """Raises `StoreError` if the options look at no job at all: such a check would be in order for ever."""
        given = {name: getattr(self._args, name) for name in ("job", "project", "stage")}
        options_given = " ".join(f"--{name} {value!a}" for name, value in given.items() if value is not None)
        if options_given:
            raise StoreError(f"no job is known that {options_given} looks at")
        if isinstance(store, HistoryStore) and not folder.exists():
            raise StoreError(f"there is no state directory {folder}: no run was recorded there")

    def tell(self, found: Checked, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Tells the targets what changed; what goes wrong is said on stderr."""
        if self._store is None or self._expected_here is None:
            return
        output = self._store.output if isinstance(self._store, HistoryStore) else _no_output
        settings = options.local_settings(self._args)
        self._teller.tell(Looked(found, self._store, output), settings, self._expected_here.recipients, stopped)


def _no_output(_uuid: str) -> Mapping[str, bytes]:
    """Returns the kept output of a run in InfluxDB, which has none."""
    return {}
