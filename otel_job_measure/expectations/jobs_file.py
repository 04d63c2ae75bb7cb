"""`jobs.toml`: what should happen, written by hand. See docs/expectations.md for its form.

What is wrong is told with its line. It costs only its own key, job or window.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple, cast
from zoneinfo import ZoneInfo

from otel_job_measure import names
from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations import schedules
from otel_job_measure.expectations.durations import seconds_of
from otel_job_measure.expectations.expectation import Expectation, JobId, Skip
from otel_job_measure.expectations.limits import checked, near
from otel_job_measure.expectations.local_zone import local_zone
from otel_job_measure.expectations.toml_lines import Lines, Path
from otel_job_measure.timestamps import nanoseconds

MOST_BYTES: Final = 16 * 1024 * 1024
_TABLES: Final = ("defaults", "jobs", "job", "maintenance", "notify")
_OF_JOB: Final = (*names.LIMITS, "project", "stage", "hosts")
_OF_WINDOW: Final = ("from", "until", "schedule", "duration", "timezone", "why", "jobs", "project", "stage")
_OF_NOTIFY: Final = ("url", "secret_file", "jobs", "project", "stage")
_AHEAD: Final = timedelta(days=40)
_BEFORE: Final = timedelta(days=8)
_MOST_WINDOWS: Final = 200


class FileJob(NamedTuple):
    """What the file says of one job.

    Args:
        job: The job.
        expectation: Its limits; None if all that it says is wrong.
        hosts: The hosts whose runs count, if its scope is `host`; empty for the machine that reads the file.
    """

    job: JobId
    expectation: Expectation | None
    hosts: tuple[str, ...] = ()


class Window(NamedTuple):
    """A maintenance window: jobs by name or pattern, of all projects and stages unless it names one."""

    jobs: tuple[str, ...]
    skip: Skip
    project: str | None = None
    stage: str | None = None


class Recipient(NamedTuple):
    """A target of notifications, and the jobs whose findings it is told of.

    Args:
        url: As behind `--notify`.
        line: The line in the file.
        jobs: Names or patterns; empty for all.
        project: Only of this project; None for all.
        stage: Only of this stage; None for all.
        secret_file: What JSON bodies are signed with; empty for no signature.
    """

    url: str
    line: int
    jobs: tuple[str, ...] = ()
    project: str | None = None
    stage: str | None = None
    secret_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsFile:
    """What a file says, and a line of text for each thing that is wrong with it.

    Args:
        jobs: In their order.
        recipients: Who is told of what.
        windows: The maintenance windows; one that repeats is here once for each time in the coming 40 days.
        problems: Each with the number of its line.
        is_readable: Whether it is TOML; else it says nothing, and what it said before goes on.
    """

    jobs: tuple[FileJob, ...] = ()
    windows: tuple[Window, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    problems: tuple[str, ...] = ()
    is_readable: bool = True


def parse_jobs_file(text: str, now: datetime, *, project: str = "", stage: str = "") -> JobsFile:
    """Returns what a file says.

    Args:
        text: The file's content.
        now: An aware datetime; a schedule without a due time after it is refused.
        project: The project of jobs that name none.
        stage: The stage of jobs that name none.
    """
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        last = f"at line {text.count(chr(10)) + 1}"
        why = str(error).replace("at end of document", last)
        return JobsFile(problems=(f"it is not TOML: {why}",), is_readable=False)
    reader = _Reader(Lines(text), now, {"project": project, "stage": stage})
    reader.read(found)
    return JobsFile(
        jobs=tuple(reader.jobs.values()),
        windows=tuple(reader.windows),
        recipients=tuple(reader.recipients),
        problems=tuple(problem for _, problem in sorted(reader.problems)),
    )


@dataclass(slots=True)
class _Reader:
    """Collects what is right and what is wrong."""

    lines: Lines
    now: datetime
    defaults: dict[str, Any]
    jobs: dict[tuple[JobId, tuple[str, ...]], FileJob] = field(default_factory=dict[Any, FileJob])
    windows: list[Window] = field(default_factory=list[Window])
    recipients: list[Recipient] = field(default_factory=list[Recipient])
    problems: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Each with its line."""

    def read(self, found: Mapping[str, Any]) -> None:
        """Reads a whole file."""
        for key in found.keys() - _TABLES:
            where = "; put it below [defaults]" if key in _OF_JOB else near(key, _TABLES)
            self.wrong(
                (key,),
                f"there is no {key!a} here{where}; a file has [defaults], [jobs.NAME], [[maintenance]], [[notify]]",
            )
        defaults = self.table(found.get("defaults", {}), ("defaults",), _OF_JOB)
        self.defaults |= defaults
        for path, name, table in self.tables(found):
            self.job(path, name, table)
        for number, window in enumerate(self.listed(found, "maintenance")):
            self.window(("maintenance", number), window)
        for number, recipient in enumerate(self.listed(found, "notify")):
            self.recipient(("notify", number), recipient)

    def tables(self, found: Mapping[str, Any]) -> Iterator[tuple[Path, object, object]]:
        """Yields the tables of jobs, of both forms."""
        jobs = found.get("jobs", {})
        if not isinstance(jobs, dict):
            self.wrong(("jobs",), "it takes tables such as [jobs.nightly]")
            jobs = {}
        for name, table in cast("dict[str, object]", jobs).items():
            yield ("jobs", name), name, table
        for number, table in enumerate(self.listed(found, "job")):
            path: Path = ("job", number)
            if not isinstance(table, dict) or "name" not in table:
                self.wrong(path, 'a job needs its name: name = "nightly"')
                continue
            values = dict(cast("dict[str, Any]", table))
            yield path, values.pop("name"), values

    def listed(self, found: Mapping[str, Any], key: str) -> Sequence[object]:
        """Returns the tables of a list."""
        tables = found.get(key, [])
        if isinstance(tables, list):
            return cast("list[object]", tables)
        other = ", or [jobs.NAME]" if key == "job" else ""
        self.wrong((key,), f"it takes tables in double brackets: [[{key}]]{other}")
        return ()

    def job(self, path: Path, name: object, found: object) -> None:
        """Reads one job."""
        if not isinstance(name, str) or not name.strip():
            self.wrong((*path, "name"), f"a job's name is a text, got {str(name)[:80]!a}")
            return
        before = len(self.problems)
        own = self.table(found, path, _OF_JOB)
        given = {**self.defaults_for(own), **own}
        job = JobId(name, self.text(path, given, "project"), self.text(path, given, "stage"))
        hosts = self.texts(path, given, "hosts")
        limits: dict[str, object] = {limit: given[limit] for limit in names.LIMITS if limit in given}
        if hosts and limits.setdefault("scope", "host") == "any":
            where = (*path, "hosts") if "hosts" in own else (*path, "scope")
            self.wrong(where, "hosts have due times of their own, and with the scope 'any' no host has", job=name)
            limits["scope"] = "host"
        result = checked(limits, self.now)
        for limit, problem in result.problems:
            where = (*path, limit) if limit in own or limit not in self.defaults else ("defaults", limit)
            self.wrong(where, problem.removeprefix(f"{limit}="), job=name)
        if (job, hosts) in self.jobs:
            self.wrong(path, "the file has this job twice; the first counts", job=name)
            return
        is_wrong = len(self.problems) > before and result.expectation.is_empty
        self.jobs[job, hosts] = FileJob(job, None if is_wrong else result.expectation, hosts)

    def defaults_for(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the defaults that mean something for a job."""
        is_timed = "schedule" in own or "every" in own
        unfit = () if "schedule" in own else ("timezone", "dialect")
        return {
            key: value
            for key, value in self.defaults.items()
            if key not in unfit and (is_timed or key != "grace") and not (key == "hosts" and own.get("scope") == "any")
        }

    def window(self, path: Path, found: object) -> None:
        """Reads one maintenance window."""
        before = len(self.problems)
        values = self.table(found, path, _OF_WINDOW)
        jobs = self.texts(path, values, "jobs") or ("*",)
        why = self.text(path, values, "why")
        project, stage = self.narrowed(path, values)
        try:
            skips = list(self.repeated(values) if "schedule" in values else self.single(values))
        except (ScheduleError, ValueError, OverflowError) as error:
            self.wrong(path, str(error))
            return
        if len(self.problems) == before:
            self.windows += [Window(jobs, Skip(*skip, why), project, stage) for skip in skips]

    def recipient(self, path: Path, found: object) -> None:
        """Reads one target of notifications."""
        before = len(self.problems)
        values = self.table(found, path, _OF_NOTIFY)
        url, secret_file = self.text(path, values, "url").strip(), self.text(path, values, "secret_file")
        jobs, (project, stage) = self.texts(path, values, "jobs"), self.narrowed(path, values)
        if len(self.problems) > before:
            return
        if not url:
            self.wrong(path, 'it needs a target, such as url = "mailto:ops@example.com" or url = "@/etc/target"')
        else:
            self.recipients.append(Recipient(url, self.lines.of(path), jobs, project, stage, secret_file))

    def narrowed(self, path: Path, values: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Returns the project and the stage that a table names; None if it names none."""
        project, stage = self.text(path, values, "project"), self.text(path, values, "stage")
        return project if "project" in values else None, stage if "stage" in values else None

    def single(self, values: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        """Yields the begin and the end of a window, in ns since 1970."""
        if "from" not in values or ("until" in values) == ("duration" in values):
            raise ScheduleError("a window has `from`, and either `until` or `duration`; or `schedule` and `duration`")
        zone = self.zone(values)
        begin = _moment(values["from"], zone, "from")
        end = begin + _length(values["duration"]) if "duration" in values else _moment(values["until"], zone, "until")
        if end <= begin:
            raise ScheduleError("the window ends before it begins")
        yield _ns(begin), _ns(end)

    def repeated(self, values: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        """Yields the windows of the coming time that begin when a schedule is due."""
        if "duration" not in values or "from" in values or "until" in values:
            raise ScheduleError("a window that repeats has `schedule` and `duration`")
        length = _length(values["duration"])
        schedule = schedules.parse(str(values["schedule"]), self.zone(values).key, self.now)
        for number, begin in enumerate(schedule.after(self.now - _BEFORE)):
            if begin > self.now + _AHEAD or number >= _MOST_WINDOWS:
                return
            yield _ns(begin), _ns(begin + length)

    def zone(self, values: Mapping[str, Any]) -> ZoneInfo:
        """Returns the zone of a window: its own, the file's or the machine's."""
        return schedules.zone_named(str(values.get("timezone") or self.defaults.get("timezone") or local_zone()))

    def table(self, found: object, path: Path, known: Sequence[str]) -> dict[str, Any]:
        """Returns the known keys of a table."""
        if not isinstance(found, dict):
            self.wrong(path, "it takes a table in brackets")
            return {}
        values = cast("dict[str, Any]", found)
        for key in [key for key in values if key not in known]:
            self.wrong((*path, key), f"there is no such key{near(key, known)}; there are {', '.join(known)}")
        return {key: value for key, value in values.items() if key in known}

    def text(self, path: Path, values: Mapping[str, Any], key: str) -> str:
        """Returns a text, which is empty by default."""
        value: object = values.get(key, "")
        if isinstance(value, str):
            return value
        self.wrong((*path, key), f"it takes a text, got {str(value)[:80]!a}")
        return ""

    def texts(self, path: Path, values: Mapping[str, Any], key: str) -> tuple[str, ...]:
        """Returns a list of texts."""
        value: object = values.get(key, [])
        items: list[object] = cast("list[object]", value) if isinstance(value, list) else [value]
        if all(isinstance(item, str) and item for item in items):
            return tuple(str(item) for item in items)
        self.wrong((*path, key), f"it takes a list of names, got {str(items)[:80]!a}")
        return ()

    def wrong(self, path: Path, why: str, job: str = "") -> None:
        """Notes a problem with the line of its key."""
        *_, key = (part for part in path if isinstance(part, str))
        about = f"job {job!a}, " if job and job != key else ""
        line = self.lines.of(path)
        self.problems.append((line, f"line {line}: {about}{key!a}: {why}"))


def _moment(value: object, zone: ZoneInfo, key: str) -> datetime:
    """Returns a time that the file states as TOML's time or date, or as a text of ISO 8601."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ScheduleError(f"`{key}` takes a time such as 2026-12-24T18:00, got {str(value)[:80]!a}")


def _length(value: object) -> timedelta:
    seconds = seconds_of(value)
    if seconds is None or not 1 <= seconds <= _AHEAD.total_seconds():
        raise ScheduleError(f"`duration` takes a time of at most 40 days, such as 2h, got {str(value)[:80]!a}")
    return timedelta(seconds=seconds)


def _ns(at: datetime) -> int:
    found = nanoseconds(at)
    if found < 0:
        raise ScheduleError("a window lies after 1970")
    return found
