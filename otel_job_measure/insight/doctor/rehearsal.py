"""What a drill works with: a state directory of its own, a job, the store that is asked, and the targets.

Everything is what a job and a checker use: the recorder, the journal, the delivery or the history, the check and the
notifier. Only the names are the drill's own: its job, its host and its folder. So no other checker sees or tells it.
"""

import shutil
import stat
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_job_measure import names
from otel_job_measure.errors import StateDirError, StoreError
from otel_job_measure.expectations.expectation import Expectation, JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.absence import Evidence
from otel_job_measure.insight.check import Checked, checked
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.history_store import opened
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.notify.look import detailing, look_of
from otel_job_measure.insight.notify.memory import Memory
from otel_job_measure.insight.notify.message import Message
from otel_job_measure.insight.notify.notifier import Notifier
from otel_job_measure.insight.notify.target import Target
from otel_job_measure.insight.run_store import RunStore, Wanted
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.private_files import make_folder
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.settings import Settings

EVERY_S: Final = 6.0
GRACE_S: Final = 2.0
MOST_S: Final = 3.0
SETTLE_S: Final = 5.0
HEARTBEAT_S: Final = 1.0
LIMITS: Final = Expectation(every_s=EVERY_S, grace_s=GRACE_S, max_runtime_s=MOST_S)
FOLDER: Final = "drill"
_LOCK: Final = "drill.lock"
_TARGET_S: Final = 10.0
_LOOK_NS: Final = 3600 * 10**9


@contextmanager
def folder_of(root: Path) -> Generator[Path]:
    """Holds a folder of the drill's own in a state directory, and deletes it afterwards.

    Raises:
        StateDirError: Another drill has it, or there is none.
    """
    try:
        make_folder(root, is_root=True)
        taken = lock(root / _LOCK)
        if taken is None:
            raise StateDirError(f"another drill is using {root}")
        try:
            folder = root / FOLDER
            _clear(folder)  # of a drill that was killed
            make_folder(folder)
            try:
                yield folder
            finally:
                _clear(folder)
                (root / _LOCK).unlink(missing_ok=True)
        finally:
            taken.release()
    except OSError as error:
        if isinstance(error, StateDirError):
            raise
        raise StateDirError(f"the drill cannot use the state directory {root}: {error}") from error


def _clear(folder: Path) -> None:
    """Deletes a folder, or what another user has planted in its place: `rmtree` would wait for a pipe."""
    with suppress(OSError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.unlink()


class Accepting(Target):
    """A target that notes which changes it took, and when.

    Args:
        target: The target.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.id = target.id
        self.shown = target.shown
        self.taken: dict[tuple[str, str], float] = {}
        """When each change was taken, by its kind and finding; in seconds of the monotonic clock."""
        self.refused: dict[tuple[str, str], str] = {}
        """Why a change was not taken."""

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Sends a message by the target."""
        changes = [(str(notice["kind"]), str(notice["finding"])) for notice in message.body["notices"]]
        try:
            self._target.send(message, timeout_s=timeout_s)
        except Exception as error:
            self.refused |= dict.fromkeys(changes, str(error))
            raise
        self.taken |= dict.fromkeys(changes, time.monotonic())


class Checker:
    """The checker of a drill: the check of `otel-job-measure check`, and its notifier, with a memory of their own.

    Args:
        folder: The drill's folder.
        name: The job's name.
        jobs: The settings of the job's side.
        asked: The InfluxDB that is asked; None if the history is.
        targets: Who is told.
    """

    def __init__(
        self, folder: Path, name: str, jobs: Settings, asked: Asked | None, targets: Sequence[Accepting]
    ) -> None:
        self._name = name
        self._job: JobId | None = None
        self.looked_s = 0.0
        """When the last look ended, before anybody was told of it; in seconds of the monotonic clock."""
        self._jobs = jobs
        self._asked = asked
        self._expected = ExpectedStore(folder / "expected")
        self.targets = targets
        self._memory = Memory(folder)

    def expect(self, job: JobId) -> None:
        """Says what the job should do."""
        self._job = job
        statement = Statement(job=job, expectation=LIMITS)
        self._expected.note(Snapshot(source="code", origin=names.DRILL, statements=[statement]), patience_s=1.0)

    def store(self) -> RunStore:
        """Returns the store, brought up to date."""
        return opened(self._jobs)[0] if self._asked is None else InfluxStore(self._asked.settings)

    def last_run(self) -> RunRecord | None:
        """Returns the job's last run, as soon as the store has it."""
        wanted = Wanted(job=self._name, exact=True, since_ns=time.time_ns() - _LOOK_NS)
        return next(iter(self.store().latest(wanted, 1)), None)

    def look(self) -> set[str]:
        """Checks once, tells what changed, and returns what holds of the job.

        Raises:
            StoreError: The store does not answer.
            NotifyError: The memory cannot be written.
        """
        now_ns = time.time_ns()
        store = self.store()
        found = self._checked(store, now_ns)
        self.looked_s = time.monotonic()
        if self.targets:
            notifier = Notifier(
                self._memory,
                self.targets,
                lambda _: self.targets,
                detailed=detailing(store, lambda _: {}),
                link=self._jobs.link or "",
                timeout_s=_TARGET_S,
            )
            notifier.tell(look_of(found, store, self._job.__eq__))
        return {finding.name for each in found.judgements for finding in each.findings}

    def _checked(self, store: RunStore, now_ns: int) -> Checked:
        complete_ns = None if self._asked is not None else now_ns
        evidence = Evidence(now_ns=time.time_ns(), complete_until_ns=complete_ns, settle_s=SETTLE_S)
        found = checked(store, evidence, here=self._expected.jobs(), look_ns=_LOOK_NS, drill=self._job)
        # What holds of other hosts is not the drill's to tell.
        return replace(found, abouts=())


def waited(until: Callable[[], bool], within_s: float, pause_s: float) -> bool:
    """Tries something again and again; a store that does not answer for a moment is tried again too."""
    ends_s = time.monotonic() + within_s
    while True:
        try:
            if until():
                return True
            why = None
        except StoreError as error:
            why = error
        if time.monotonic() >= ends_s:
            if why is not None:
                raise why
            return False
        time.sleep(pause_s)
