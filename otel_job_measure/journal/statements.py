"""What one source says of its jobs, from one snapshot to the next: versions, first seen, retired. It does no I/O.

A source is asked again and again. What it says anew becomes a version; what it no longer says is retired, once. A
retired job that comes back begins a new life: between the two it was not expected.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from otel_job_measure.expectations.dues import dues
from otel_job_measure.expectations.encoding import MOST_DUES, MOST_VERSIONS
from otel_job_measure.expectations.expectation import DueList, Expectation, ExpectedJob, JobId, Source, Version

Key = tuple[JobId, str | None]
"""A job, and the host whose runs count, if its scope is `host`."""
_HOUR_NS: Final = 3600 * 10**9
CONFIRMED_NS: Final = _HOUR_NS
"""How old the last confirmation becomes before a process writes it again."""
UNCONFIRMED_NS: Final = 24 * _HOUR_NS
_QUIET_NS: Final = 7 * UNCONFIRMED_NS
_KEPT_LISTS: Final = 3
_KEPT_NS: Final = 40 * UNCONFIRMED_NS
"""How long a retired job is kept, so that every checker hears of it."""
_KEPT_DUES_NS: Final = 8 * UNCONFIRMED_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a source says of one job now.

    Args:
        job: The job.
        expectation: Its limits; None if what is said is wrong: then what was said before goes on.
        host: The host whose runs count, if the scope is `host`.
        module: Where in the code it stands, for jobs that are declared in code.
        due_list: The next due times, if the source is a scheduler.
    """

    job: JobId
    expectation: Expectation | None
    host: str | None = None
    module: str = ""
    due_list: DueList | None = None

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.job, self.host


class Known(NamedTuple):
    """What is kept of one job of a source."""

    expected: ExpectedJob
    confirmed_ns: int
    module: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a source says at one time.

    Args:
        source: Its kind.
        origin: Where exactly: a program, or a file's path.
        statements: What it says.
        said: A mark of the words that it was said in; with the same mark, there is nothing to be read anew.
        is_whole: Whether it says all that it expects: what it does not say is no longer expected.
        is_loaded: Tells whether a module of the code is loaded, for a source that is code.
    """

    source: Source
    origin: str
    statements: Sequence[Statement]
    is_whole: bool = True
    said: str = ""
    is_loaded: Callable[[str], bool] = bool


def merged(known: Mapping[Key, Known], snapshot: Snapshot, now_ns: int) -> dict[Key, Known]:
    """Returns what is known of a source's jobs after a snapshot."""
    found = dict(known)
    if snapshot.source == "code":
        snapshot = replace(snapshot, statements=[_specific(known, statement) for statement in snapshot.statements])
        found = {key: each for key, each in known.items() if not _is_blurred(each, snapshot.statements)}
    said: set[Key] = set()
    for statement in _for_known_hosts(known, snapshot.statements):
        said.add(statement.key)
        before = found.get(statement.key)
        if before is None and (statement.expectation is None or statement.expectation.is_empty):
            continue  # nothing is expected of it
        found[statement.key] = _stated(before, statement, snapshot, now_ns)
    for key in found.keys() - said:
        why = _why_retired(found[key], snapshot, now_ns)
        if found[key].expected.retired_ns is None and why:
            found[key] = retired(found[key], now_ns, why)
    return {key: each for key, each in found.items() if now_ns - (each.expected.retired_ns or now_ns) < _KEPT_NS}


def _specific(known: Mapping[Key, Known], statement: Statement) -> Statement:
    """Returns a statement about the job that it means, if its process did not know the project or the stage.

    Both can come from a resource, which an app may set late or, in some of its processes, never.
    """
    for (job, host), each in known.items():
        is_same = host == statement.host and each.module == statement.module and each.expected.retired_ns is None
        if is_same and _is_less_specific(statement.job, job):
            return replace(statement, job=job)
    return statement


def _is_blurred(known: Known, statements: Iterable[Statement]) -> bool:
    """Returns whether a job was noted before its project and stage were known, and is stated with them now."""
    job = known.expected.job
    return any(known.module == each.module and _is_less_specific(job, each.job) for each in statements)


def _is_less_specific(job: JobId, other: JobId) -> bool:
    if job == other or job.job != other.job:
        return False
    return job.project in ("", other.project) and job.stage in ("", other.stage)


def _for_known_hosts(known: Mapping[Key, Known], statements: Iterable[Statement]) -> Iterator[Statement]:
    """Yields statements; of one that is wrong, whose scope is unknown, one for each host that is known."""
    for statement in statements:
        hosts = [host for job, host in known if job == statement.job] if statement.expectation is None else []
        yield from (replace(statement, host=host) for host in hosts or [statement.host])


def retired(known: Known, now_ns: int, why: str) -> Known:
    """Returns a job that is no longer expected."""
    return known._replace(expected=replace(known.expected, retired_ns=now_ns, retired_why=why))


def needs_writing(known: Mapping[Key, Known], after: Mapping[Key, Known]) -> bool:
    """Returns whether anything changed, or a confirmation is an hour old."""
    if known.keys() != after.keys():
        return True
    return any(
        known[key].expected != new.expected
        or known[key].module != new.module
        or not -_HOUR_NS < new.confirmed_ns - known[key].confirmed_ns < CONFIRMED_NS
        for key, new in after.items()
    )


def _stated(before: Known | None, statement: Statement, snapshot: Snapshot, now_ns: int) -> Known:
    if before is None or before.expected.retired_ns is not None:
        expectation = statement.expectation
        if expectation is None:  # it was retired, and is wrong now
            assert before is not None  # noqa: S101 - else it says nothing
            return before
        expected = ExpectedJob(
            job=statement.job,
            source=snapshot.source,
            origin=snapshot.origin,
            host=statement.host,
            first_seen_ns=now_ns,
            versions=(Version(now_ns, expectation),),
        )
    else:
        expected = _with_version(before.expected, statement.expectation, now_ns)
    if statement.due_list is not None:
        expected = replace(expected, due_lists=_with_list(expected.due_lists, statement.due_list))
    return Known(expected, now_ns, statement.module)


def _with_version(expected: ExpectedJob, expectation: Expectation | None, now_ns: int) -> ExpectedJob:
    # After a clock that was wrong, a version could lie in the future and would not be in force.
    versions = tuple(version for version in expected.versions if version.since_ns <= now_ns)
    expectation = expected.expectation if expectation is None else expectation
    if not versions or versions[-1].expectation != expectation:
        versions = (*versions, Version(now_ns, expectation))[-MOST_VERSIONS:]
    return replace(expected, versions=versions, first_seen_ns=min(expected.first_seen_ns, now_ns))


def _with_list(lists: tuple[DueList, ...], new: DueList) -> tuple[DueList, ...]:
    """Returns lists of due times with a new one, which replaces the others from its begin on."""
    since_ns = new.from_ns - _KEPT_DUES_NS
    kept = [_cut(old, since_ns, new.from_ns - 1) for old in lists if old.from_ns < new.from_ns]
    if kept and kept[-1].until_ns == new.from_ns - 1:
        last = kept.pop()
        new = DueList(last.from_ns, new.until_ns, last.dues_ns + new.dues_ns)
    if len(new.dues_ns) > MOST_DUES:
        new = DueList(new.dues_ns[-MOST_DUES], new.until_ns, new.dues_ns[-MOST_DUES:])
    return (*(old for old in kept if old.until_ns >= since_ns), new)[-_KEPT_LISTS:]


def _cut(old: DueList, since_ns: int, until_ns: int) -> DueList:
    from_ns, until_ns = max(old.from_ns, since_ns), min(old.until_ns, until_ns)
    return DueList(from_ns, until_ns, tuple(due_ns for due_ns in old.dues_ns if from_ns <= due_ns <= until_ns))


def _why_retired(known: Known, snapshot: Snapshot, now_ns: int) -> str:
    """Returns why a job that the snapshot does not have is no longer expected; empty if it still is."""
    if snapshot.is_whole:
        return f"no longer in {snapshot.origin}"
    about = {(statement.job.project, statement.job.stage) for statement in snapshot.statements}
    unconfirmed_ns = now_ns - known.confirmed_ns
    expected = known.expected
    if (expected.job.project, expected.job.stage) not in about or unconfirmed_ns < UNCONFIRMED_NS:
        return ""  # no newer process of its service has spoken
    if known.module and snapshot.is_loaded(known.module):
        return f"no longer declared in {known.module}"
    # A program need not load all of its modules each time: a weekly command loads its own each week.
    if unconfirmed_ns >= _QUIET_NS or _has_passed_twice(expected, known.confirmed_ns, now_ns):
        return f"no process of {snapshot.origin} has declared it for {unconfirmed_ns // _HOUR_NS} hours"
    return ""


def _has_passed_twice(expected: ExpectedJob, since_ns: int, until_ns: int) -> bool:
    """Returns whether a job was due twice, so that its program has had its turn."""
    every_s = expected.expectation.every_s
    if every_s is not None:
        return until_ns - since_ns >= 2 * every_s * 1e9
    return len(dues(expected, since_ns, until_ns).dues) > 1
