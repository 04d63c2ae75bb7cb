"""The crontabs of this user and of the system: their measured lines say what should happen on this host."""

import os
import pwd
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from otel_job_measure import names
from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import SettingsError
from otel_job_measure.expectations.crontab_lines import CrontabJob, crontab_jobs
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.expectations.limits import checked
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.journal.statements import Snapshot, Statement
from otel_job_measure.points.text import clean_tag
from otel_job_measure.settings import Settings, parse_env_file
from otel_job_measure.settings.environment import environment_for_programs

_SYSTEM: Final = Path("/etc/crontab")
_FOLDER: Final = Path("/etc/cron.d")
_AGAIN_NS: Final = 3600 * 10**9
_PATIENCE_S: Final = 2.0
_MOST_S: Final = 5.0
_MOST_BYTES: Final = 1024 * 1024
_MOST_FILES: Final = 1000
_SERVICE: Final = "OTEL_SERVICE_NAME"


class Crontabs:
    """Reads the crontabs once an hour. One that cannot be read says nothing, and retires nothing."""

    def __init__(
        self, settings: Settings, clock: Clock | None = None, *, system: Path = _SYSTEM, folder: Path = _FOLDER
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._store = None if settings.in_memory else ExpectedStore(settings.state_path, self._clock)
        self._system = system
        self._folder = folder
        self._read_ns: int | None = None

    def look(self) -> tuple[str, ...]:
        """Notes what the crontabs say, and returns what is wrong with them."""
        now_ns = self._clock.monotonic_ns()
        if self._store is None or (self._read_ns is not None and now_ns - self._read_ns < _AGAIN_NS):
            return ()
        self._read_ns = now_ns
        try:
            return tuple(self._note(self._store))
        except OSError as error:
            return (f"what the crontabs say cannot be kept: {error}",)

    def _note(self, store: ExpectedStore) -> Iterator[str]:
        known = {job.origin for job in store.jobs() if job.source == "crontab" and job.retired_ns is None}
        for origin, jobs in self._crontabs():
            statements: dict[JobId, Statement] = {}
            for job in jobs:
                try:
                    variables = {**(parse_env_file(job.env_file) if job.env_file else {}), **job.variables}
                except SettingsError as error:  # its project may be there
                    yield f"{origin}: line {job.line}: job {job.name!a} is left out: {error}"
                    continue
                statement, problems = self._statement(job, variables)
                yield from (f"{origin}: line {job.line}: {problem}" for problem in problems)
                if not job.name:
                    continue
                if statement.job in statements:
                    yield f"{origin}: line {job.line}: job {job.name!a} has a line above; the first one counts"
                statements.setdefault(statement.job, statement)
            if statements or origin in known:
                snapshot = Snapshot(source="crontab", origin=origin, statements=[*statements.values()])
                store.note(snapshot, patience_s=_PATIENCE_S)
        store.retire_with("crontab", "exec", patience_s=_PATIENCE_S)

    def _statement(self, job: CrontabJob, variables: Mapping[str, str]) -> tuple[Statement, list[str]]:
        found = checked(job.limits, datetime.now(UTC), scope="host")
        project = variables.get(names.ENV_PROJECT) or self._settings.project or variables.get(_SERVICE, "")
        stage = variables.get(names.ENV_STAGE) or self._settings.stage or ""
        statement = Statement(
            job=JobId(clean_tag(job.name), clean_tag(project), clean_tag(stage)),
            expectation=None if job.problem else found.usable,
            host=os.uname().nodename if found.expectation.scope == "host" else None,
        )
        return statement, [job.problem] if job.problem else [problem for _, problem in found.problems]

    def _crontabs(self) -> Iterator[tuple[str, list[CrontabJob]]]:
        """Yields each crontab that can be read, and its jobs; a missing one is an empty one."""
        user = _user()
        own = _own_crontab()
        if own is not None:
            yield f"the crontab of {user}", list(crontab_jobs(own, owner=user))
        known = {job.origin for job in self._store.jobs()} if self._store else set[str]()
        deleted = (Path(origin) for origin in known if Path(origin).parent == self._folder)
        paths = {self._system, *deleted, *(_files(self._folder) or [])}
        for path in sorted(paths):
            try:
                with path.open("rb") as file:
                    text = file.read(_MOST_BYTES).decode(errors="replace")
            except FileNotFoundError:
                text = ""
            except OSError:
                continue
            yield str(path), list(crontab_jobs(text, user=user))


def _files(folder: Path) -> list[Path]:
    """Returns the files of a folder that cron reads: it ignores names with a dot."""
    try:
        found = sorted(entry for entry in os.listdir(folder) if "." not in entry)  # noqa: PTH208 - names
    except OSError:
        return []
    return [folder / name for name in found[:_MOST_FILES] if (folder / name).is_file()]


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user
        return str(os.geteuid())


def _own_crontab() -> str | None:
    """Returns this user's crontab; None if there is no cron, or it does not tell."""
    try:
        done = subprocess.run(
            ["crontab", "-l"],  # noqa: S607 - wherever it is
            capture_output=True,
            timeout=_MOST_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=environment_for_programs(),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode == 0:
        return done.stdout[:_MOST_BYTES].decode(errors="replace")
    return "" if b"no crontab for" in done.stderr else None
