"""What `check` prints: the line of a plugin for Nagios, a table, and the JSON object."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from otel_job_measure.printable import brief

if TYPE_CHECKING:
    from otel_job_measure.insight.check import Checked
    from otel_job_measure.insight.findings import Finding
    from otel_job_measure.insight.states import Judgement

UNKNOWN: Final = 3
_WORDS: Final = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_MOST_NAMED: Final = 5
_MOST_DETAIL: Final = 300


def unknown_line(why: str) -> str:
    """Returns the line of a check that failed."""
    return f"JOBS UNKNOWN - {brief(why, _MOST_DETAIL).replace('|', '/')}"


def first_line(found: "Checked", took_s: float) -> str:
    """Returns the line that Nagios shows, with performance data behind the bar."""
    counts = [sum(_level(found, each) == level for each in found.judgements) for level in range(4)]
    bad = sorted((each for each in found.judgements if _level(found, each)), key=lambda each: -_level(found, each) % 4)
    named = [f"{_name(each)} {each.state.name}" for each in bad]
    named = [f"{about.finding.name}{f' {about.host}' if about.host else ''}" for about in found.abouts] + named
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    count = len(found.judgements)
    what = f"{count} job{'' if count == 1 else 's'}" if count else "no jobs are known"
    says = f"{what}: {', '.join(named[:_MOST_NAMED])}{more}" if named else what
    words = ("ok", "warning", "critical", "unknown")
    data = " ".join(f"{word}={count};;;0" for word, count in zip(words, counts, strict=True))
    says = brief(says, _MOST_DETAIL).replace("|", "/")  # the bar separates what is measured
    return f"JOBS {_WORDS[found.level()]} - {says} | {data} time={took_s:.3f}s;;;0"


def lines(found: "Checked", *, quiet: bool) -> Iterable[str]:
    """Yields a line for each finding about a host, and for each finding of a job."""
    for about in found.abouts:
        yield _row(about.host or "the store", "", about.finding)
    for each in found.judgements:
        told = _listed(found, each)
        for finding in told:
            if finding.level or not quiet:
                yield _row(_name(each), each.host or "", finding)


def _listed(found: "Checked", each: "Judgement") -> Sequence["Finding"]:
    return found.told(each) or [finding for finding in each.findings if finding.is_behind][:1]


def _row(name: str, host: str, finding: "Finding") -> str:
    where = f" on {host}" if host else ""
    due = "" if finding.due_ns is None else f", due {_iso(finding.due_ns)}"
    detail = f": {finding.detail}" if finding.detail else ""
    word = _WORDS[finding.level]
    text = f"{word:8} {finding.name:11} {name}{where} since {_iso(finding.since_ns)}{due}{detail}"
    return brief(text, _MOST_DETAIL).replace("|", "/")


def as_object(found: "Checked") -> dict[str, Any]:
    """Returns the JSON object of `--json`; docs/monitor.md describes it."""
    return {
        "at": _iso(found.at_ns),
        "at_ns": found.at_ns,
        "level": found.level(),
        "status": _WORDS[found.level()].lower(),
        "hosts": [{"host": about.host, **_finding(about.finding)} for about in found.abouts],
        "jobs": [
            {
                "job": each.job.job,
                "project": each.job.project,
                "stage": each.job.stage,
                "host": each.host,
                **_finding(each.state),
                "findings": [_finding(finding) for finding in each.findings],
                "told": [finding.name for finding in found.told(each) if finding.level],
            }
            for each in found.judgements
        ],
    }


def comparable(found: "Checked") -> object:
    """Returns what a check found without when it was; runs that are in order make no difference."""
    return list(lines(found, quiet=True))


def _finding(finding: "Finding") -> dict[str, Any]:
    return {
        "state": finding.name,
        "level": finding.level,
        "since": _iso(finding.since_ns),
        "since_ns": finding.since_ns,
        "due": None if finding.due_ns is None else _iso(finding.due_ns),
        "due_ns": finding.due_ns,
        "uuid": finding.uuid,
        "detail": finding.detail,
    }


def _level(found: "Checked", each: "Judgement") -> int:
    levels = {finding.level for finding in _listed(found, each)}
    return next((level for level in (2, 3, 1) if level in levels), 0)


def _name(each: "Judgement") -> str:
    where = "/".join(part for part in (each.job.project, each.job.stage) if part)
    return f"{each.job.job} ({where})" if where else each.job.job


def _iso(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
