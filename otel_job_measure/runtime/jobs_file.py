"""`jobs.toml` as the commands read it: what it says is noted in the state directory, as every source is."""

import os
from datetime import datetime

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import SettingsError
from otel_job_measure.expectations.jobs_file import MOST_BYTES, FileJob, JobsFile, Recipient, parse_jobs_file
from otel_job_measure.journal.expected_store import ExpectedStore, SkipRule
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.points.text import clean_tag
from otel_job_measure.settings import Settings
from otel_job_measure.timestamps import utc

_AGAIN_NS = 3600 * 10**9
_PATIENCE_S = 2.0


class JobsFileReader:
    """Reads the file of the settings, if there is one, when it has changed and once an hour.

    `recipients` has its targets of notifications: none without a file, None before the first time that it was read.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._store = None if settings.in_memory else ExpectedStore(settings.state_path, self._clock)
        self._seen: tuple[int, int] | None = None
        self._read_ns = 0
        self.recipients: tuple[Recipient, ...] | None = () if settings.jobs is None else None

    def look(self) -> tuple[str, ...]:
        """Notes what the file says, and returns what is wrong with it; nothing if there is nothing new to read."""
        path = self._settings.jobs
        if path is None or self._store is None:
            return ()
        now_ns = self._clock.wall_ns()
        try:
            status = os.stat(path)  # noqa: PTH116 - a path of any type
            seen = (status.st_mtime_ns, status.st_size)
            if seen == self._seen and 0 <= now_ns - self._read_ns < _AGAIN_NS:
                return ()
            self._seen, self._read_ns = seen, now_ns
            problems = self._note(_text(str(path)), str(path), now_ns, self._store)
        except (OSError, SettingsError, UnicodeDecodeError) as error:
            problems = (f"it cannot be read: {error}",)
        return tuple(f"{path}: {problem}" for problem in problems)

    def _note(self, text: str, path: str, now_ns: int, store: ExpectedStore) -> tuple[str, ...]:
        settings = self._settings
        now = utc(now_ns)
        found = parse_jobs_file(text, now, project=settings.project or "", stage=settings.stage or "")
        if found.is_readable:
            statements = [statement for job in found.jobs for statement in _statements(job)]
            store.note(Snapshot(source="file", origin=path, statements=statements), patience_s=_PATIENCE_S)
            self.recipients = _recipients(found)
            store.add_skips(_rules(found, path), instead_of=path, patience_s=_PATIENCE_S)
        return found.problems


def read_recipients(path: str, now: datetime) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
    """Returns the targets of notifications of a file, and what is wrong with the file; notes nothing."""
    try:
        found = parse_jobs_file(_text(path), now)
    except (OSError, SettingsError, UnicodeDecodeError) as error:
        return (), (f"{path}: it cannot be read: {error}",)
    return _recipients(found), tuple(f"{path}: {problem}" for problem in found.problems)


def _recipients(found: JobsFile) -> tuple[Recipient, ...]:
    return tuple(each._replace(jobs=tuple(map(clean_tag, each.jobs))) for each in found.recipients)


def _statements(job: FileJob) -> list[Statement]:
    identity = type(job.job)(*map(clean_tag, job.job))
    is_host = job.expectation is not None and job.expectation.scope == "host"
    hosts = job.hosts or ((os.uname().nodename,) if is_host else (None,))
    return [Statement(job=identity, expectation=job.expectation, host=host) for host in hosts]


def _rules(found: JobsFile, path: str) -> list[SkipRule]:
    return [
        SkipRule(clean_tag(job), window.skip, window.project, window.stage, path)
        for window in found.windows
        for job in window.jobs
    ]


def _text(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise SettingsError(f"it has more than {MOST_BYTES} bytes")
    return data.decode()
