"""Whether a run is wanted."""

from collections.abc import Callable

from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.run_store import Wanted


def matcher(wanted: Wanted) -> Callable[[RunRecord], bool]:
    """Returns a function that says whether a run is wanted."""
    words, pattern = frozenset(wanted.words), wanted.pattern

    def matches(run: RunRecord) -> bool:
        return (
            (wanted.job is None or (run.job == wanted.job if pattern is None else is_like(pattern, run.job)))
            and (wanted.project is None or wanted.project == (run.project or ""))
            and (wanted.stage is None or wanted.stage == (run.stage or ""))
            and (wanted.host is None or wanted.host == run.host)
            and (wanted.since_ns is None or started_ns(run) >= wanted.since_ns)
            and (wanted.until_ns is None or started_ns(run) < wanted.until_ns)
            and (not words or run.status in words or run.reason in words)
        )

    return matches


def is_like(pattern: str, text: str) -> bool:
    """Returns whether a text is like a pattern: `*` is any text, `?` is one character."""
    at = place = 0
    star: int | None = None
    begin = 0
    while at < len(text):
        word = pattern[place : place + 1]
        if word == "*":
            star, begin = place, at
            place += 1
        elif word in {"?", text[at]}:
            at, place = at + 1, place + 1
        elif star is not None:  # it takes one character more
            begin += 1
            at, place = begin, star + 1
        else:
            return False
    return not pattern[place:].strip("*")
