"""The folder `expected/` of a state directory: what should happen, one file per source, and what to skip.

A file is replaced as a whole, under a lock that all writers take; readers take none. What another user has planted, or
a newer version has written, costs only itself.
"""

import contextlib
import json
import os
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_job_measure.clock import Clock, SystemClock
from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations.encoding import MOST_SKIPS, as_object, from_object
from otel_job_measure.expectations.expectation import ExpectedJob, JobId, Skip, Source
from otel_job_measure.expectations.patterns import is_match
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.private_files import (
    make_folder,
    names_in,
    read_private,
    refuse_strangers,
    replace_private,
)
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.journal.statements import Key, Known, Snapshot, merged, needs_writing, retired
from otel_job_measure.rate_limited_log import once

_once = once()
_FORMAT: Final = 1
_MOST_BYTES: Final = 32 * 1024 * 1024
"""More than 10,000 jobs of one source take."""
_MOST_FILES: Final = 20_000
_MOST_JOBS: Final = 20_000
_SUFFIX: Final = ".json"
_SKIPS: Final = f"skips{_SUFFIX}"
_TOLD: Final = "told-"
_MARK_DIGITS: Final = 16
_LOCK: Final = "lock"
_FORGOTTEN: Final = "forgotten by `otel-job-measure forget`"
_WAIT_S: Final = 0.01
_KEPT_SKIPS_NS: Final = 40 * 86_400 * 10**9


class SkipRule(NamedTuple):
    """A time in which some jobs need not run.

    Args:
        job: The job's name, or a pattern with `*` and `?`.
        skip: When, and why.
        project: Only of this project; None for all.
        stage: Only of this stage; None for all.
        origin: The file that says so; empty for the command `skip`.
    """

    job: str
    skip: Skip
    project: str | None = None
    stage: str | None = None
    origin: str = ""

    def is_about(self, job: JobId) -> bool:
        """Returns whether the rule means a job."""
        return is_match(self.job, job.job) and self.project in (None, job.project) and self.stage in (None, job.stage)


class BusyStoreError(OSError):
    """Another process is writing."""


class ExpectedStore:
    """What should happen, by all sources of a state directory."""

    def __init__(self, state_dir: Path, clock: Clock | None = None) -> None:
        self._state = StateDir(state_dir)
        self.folder = self._state.expected
        self._clock = clock or SystemClock()

    def path_of(self, source: str, origin: str) -> Path:
        """Returns the file of one source."""
        return self._state.expected_file(source, origin)

    def note(self, snapshot: Snapshot, *, patience_s: float = 0.0) -> bool:
        """Keeps what a source says now; returns whether the file was written.

        It raises an `OSError` if that cannot be, and its sub-class `BusyStoreError` if another process has the lock.
        """
        path = self.path_of(snapshot.source, snapshot.origin)
        if _is_newer(path):
            return False
        known = self._read(path)
        now_ns = self._clock.wall_ns()
        if self.mark(path) == snapshot.said and not needs_writing(known, merged(known, snapshot, now_ns)):
            return False
        with self._locked(patience_s):
            known = self._read(path)
            after = merged(known, snapshot, now_ns)
            self._write(path, after, snapshot.said)
        return True

    def mark(self, path: Path) -> str:
        """Returns the mark of the words in which a source has last spoken."""
        found: object = _content(path).get("said", "")
        return found if isinstance(found, str) else ""

    def withdraw(self, source: Source, origin: str, job: JobId, *, since_ns: int) -> None:
        """Removes what a source has said of a job since a time, as if it had never said it."""
        path = self.path_of(source, origin)
        with self._locked(0.0):
            known = self._read(path)
            kept = {key: each for key, each in known.items() if key[0] != job or each.expected.first_seen_ns < since_ns}
            if len(kept) < len(known):
                self._write(path, kept)

    def jobs(self) -> list[ExpectedJob]:
        """Returns what each source says of each job, retired ones too, with the skips that are about them."""
        rules = self.skips()
        found = [known.expected for path in self._files() for known in self._read(path).values()]
        return sorted(
            (_with_skips(job, rules) for job in found),
            key=lambda job: (job.job, job.host or "", job.source, job.origin),
        )

    def signature(self) -> str:
        """Returns a text that changes whenever a file does; empty if there is none."""
        found: list[str] = []
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIX):
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        found.append(f"{entry.name} {status.st_mtime_ns} {status.st_size} {status.st_ino}")
        return sha256("\n".join(sorted(found)).encode()).hexdigest()[:_MARK_DIGITS] if found else ""

    def told(self, destination: str) -> Mapping[str, Any]:
        """Returns what was noted when a destination was told last; nothing if it never was."""
        return _content(self.folder / f"{_TOLD}{destination}")

    def note_told(self, destination: str, content: Mapping[str, object]) -> None:
        """Notes what a destination was told, for all senders of this state directory."""
        _replace(self.folder / f"{_TOLD}{destination}", {"format": _FORMAT, **content})

    def forget(self, job: str, project: str | None = None, stage: str | None = None) -> int:
        """Retires what all sources say of some jobs, by a name or a pattern; returns how many there were.

        So that other machines hear of it, a job is retired first; one that is retired already is removed.
        """
        rule = SkipRule(job, Skip(0, 0), project, stage)
        forgotten, now_ns = 0, self._clock.wall_ns()
        with self._locked(1.0):
            for path in self._files():
                known = self._read(path)
                about = {key for key in known if rule.is_about(key[0])}
                forgotten += len(about)
                kept = {
                    key: retired(each, now_ns, _FORGOTTEN) if key in about else each
                    for key, each in known.items()
                    if key not in about or each.expected.retired_ns is None
                }
                if not kept and known:
                    path.unlink(missing_ok=True)
                elif about:
                    self._write(path, kept)
        return forgotten

    def retire_with(self, source: Source, other: Source, *, patience_s: float = 0.0) -> None:
        """Retires what another source last said before this one retired the same job."""
        gone = {(job.job, job.host): job for job in self.jobs() if job.source == source and job.retired_ns is not None}
        for path in self._files() if gone else ():
            if not path.name.startswith(f"{other}-"):
                continue
            known = self._read(path)
            if any(_is_gone(each, gone.get(key)) for key, each in known.items()):
                with self._locked(patience_s):
                    known = {
                        key: retired(each, job.retired_ns or 0, job.retired_why)
                        if (job := gone.get(key)) is not None and _is_gone(each, job)
                        else each
                        for key, each in self._read(path).items()
                    }
                    self._write(path, known)

    def skips(self) -> list[SkipRule]:
        """Returns the skips and maintenance windows, also of the recent past."""
        content = _content(self.folder / _SKIPS)
        found: list[SkipRule] = []
        for each in cast("list[Any]", content.get("skips", []))[:_MOST_JOBS]:
            with contextlib.suppress(TypeError, ValueError, KeyError):
                found.append(_rule(each))
        return found

    def add_skips(self, rules: Iterable[SkipRule], *, instead_of: str | None = None, patience_s: float = 1.0) -> bool:
        """Keeps skips, in place of those of a file (`instead_of`); returns whether anything changed."""
        rules = list(rules)
        with self._locked(patience_s):
            before = self.skips()
            since_ns = self._clock.wall_ns() - _KEPT_SKIPS_NS
            kept = [rule for rule in before if rule.skip.until_ns >= since_ns]
            if instead_of is not None:
                kept = [rule for rule in kept if rule.origin != instead_of]
            after = [*kept, *(rule for rule in rules if rule not in kept)]
            if after != before:
                self._write_skips(after)
            return after != before

    def end_skips(self, job: str, project: str | None, stage: str | None, now_ns: int) -> int:
        """Ends the skips of the command `skip` that are about a job and not over; returns how many."""
        with self._locked(1.0):
            rules = self.skips()
            about = (job, project, stage, "")
            ended = [rule for rule in rules if (rule.job, *rule[2:]) == about and rule.skip.until_ns > now_ns]
            kept = [rule for rule in rules if rule not in ended]
            kept += [
                rule._replace(skip=rule.skip._replace(until_ns=now_ns)) for rule in ended if rule.skip.from_ns < now_ns
            ]
            if ended:
                self._write_skips(kept)
            return len(ended)

    def _write_skips(self, rules: Iterable[SkipRule]) -> None:
        _replace(self.folder / _SKIPS, {"format": _FORMAT, "skips": [_rule_object(rule) for rule in rules]})

    @contextlib.contextmanager
    def _locked(self, patience_s: float) -> Generator[None]:
        self._state.make()
        make_folder(self.folder)
        refuse_strangers(self.folder)
        until_s = time.monotonic() + patience_s
        while (held := lock(self.folder / _LOCK)) is None:
            if time.monotonic() >= until_s:
                raise BusyStoreError("another process is writing what should happen")
            time.sleep(_WAIT_S)
        try:
            yield
        finally:
            held.release()

    def _files(self) -> list[Path]:
        try:
            found = names_in(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [self.folder / name for name in sorted(found) if name.endswith(_SUFFIX) and name != _SKIPS][:_MOST_FILES]

    def _read(self, path: Path) -> dict[Key, Known]:
        found: dict[Key, Known] = {}
        for each in cast("list[Any]", _content(path).get("jobs", []))[:_MOST_JOBS]:
            try:
                expected = from_object(each["expected"])
                module, confirmed_ns = each.get("module", ""), each["confirmed"]
                if not isinstance(module, str) or not isinstance(confirmed_ns, int):
                    continue
            except (ScheduleError, TypeError, LookupError, AttributeError) as error:
                _once.warning(f"job in {path}", "%s has a job that cannot be read and is left out: %s", path, error)
                continue
            found[expected.job, expected.host] = Known(expected, confirmed_ns, module)
        return found

    def _write(self, path: Path, known: Mapping[Key, Known], said: str = "") -> None:
        jobs = [
            {"expected": as_object(each.expected), "confirmed": each.confirmed_ns, "module": each.module}
            for each in known.values()
        ]
        _replace(path, {"format": _FORMAT, "jobs": jobs[:_MOST_JOBS]} | ({"said": said} if said else {}))


def _is_gone(known: Known, gone: ExpectedJob | None) -> bool:
    """Returns whether a job was last said before another source retired it."""
    is_said = known.expected.retired_ns is None and gone is not None
    return is_said and gone is not None and known.confirmed_ns < (gone.retired_ns or 0)


def _with_skips(job: ExpectedJob, rules: Iterable[SkipRule]) -> ExpectedJob:
    skips = tuple(rule.skip for rule in rules if rule.is_about(job.job))[-MOST_SKIPS:]
    return replace(job, skips=(*job.skips, *skips)) if skips else job


def _rule(found: Any) -> SkipRule:  # noqa: ANN401 - of JSON
    job, from_ns, until_ns, why = found["job"], found["from"], found["until"], found.get("why", "")
    project, stage, origin = found.get("project"), found.get("stage"), found.get("origin", "")
    if not all(isinstance(text, str) for text in (job, why, origin, project or "", stage or "")):
        raise TypeError
    if type(from_ns) is not int or type(until_ns) is not int or not 0 <= from_ns <= until_ns < 2**63:
        raise TypeError
    return SkipRule(job, Skip(from_ns, until_ns, why), project, stage, origin)


def _rule_object(rule: SkipRule) -> dict[str, object]:
    given = {"project": rule.project, "stage": rule.stage, "origin": rule.origin or None, "why": rule.skip.why or None}
    plain: dict[str, object] = {"job": rule.job, "from": rule.skip.from_ns, "until": rule.skip.until_ns}
    return plain | {name: value for name, value in given.items() if value is not None}


def _content(path: Path) -> dict[str, Any]:
    """Returns the content of a file; nothing if it is missing, or if it cannot be read, which is logged once."""
    try:
        found: object = json.loads(read_private(path, _MOST_BYTES))
    except (FileNotFoundError, NotADirectoryError):  # the writer logs it
        return {}
    except (OSError, ValueError, RecursionError) as error:
        _once.warning(f"unreadable {path}", "%s cannot be read and is left out: %s", path, error)
        return {}
    if not isinstance(found, dict) or cast("dict[str, Any]", found).get("format") != _FORMAT:
        _once.warning(f"format of {path}", "%s has an unknown format and is left out", path)
        return {}
    content = cast("dict[str, Any]", found)
    return content if all(isinstance(content.get(name, []), list) for name in ("jobs", "skips")) else {}


def _is_newer(path: Path) -> bool:
    """Returns whether a newer version of this package has written a file, which it may go on using."""
    with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError, TypeError):
        return bool(json.loads(read_private(path, _MOST_BYTES)).get("format") > _FORMAT)
    return False


def _replace(path: Path, content: Mapping[str, object]) -> None:
    replace_private(path, json.dumps(content, sort_keys=True, separators=(",", ":")))
