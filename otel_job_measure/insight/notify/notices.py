"""What changed since the last look, as people are told: each finding when it begins, gets worse and ends.

An episode is the time in which one finding of one job holds. Whatever the number of looks, it is told once when it
begins, once when it gets worse, once a day while it lasts, and once when it ends.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from otel_job_measure.expectations.expectation import JobId

Kind = Literal["opened", "worsened", "cleared", "refuted", "reminder"]

REMIND_NS: Final = 24 * 3600 * 10**9
NEVER_TOLD: Final = frozenset({"late"})
"""A job that is due and within its grace: nothing has happened yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One finding that holds, with what people want to know of it.

    Args:
        job: The job; for a finding about a host or a store, its name is empty.
        finding: `missed`, `failing`, `host silent` and the like.
        level: 1 for a warning, 2 for critical, 3 for unknown.
        host: The host, if the finding belongs to one.
        since_ns: Since when it holds.
        due_ns: The due time that it is about.
        last_success_ns: The last success of the job.
        error_type: The exception's class of the last failure.
        last_line: The last line of the kept output.
        detail: What else is known, in a sentence.
        uuid: The run that it is about.
    """

    job: JobId
    finding: str
    level: int
    host: str = ""
    since_ns: int
    due_ns: int | None = None
    last_success_ns: int | None = None
    error_type: str | None = None
    last_line: str | None = None
    detail: str = ""
    uuid: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two findings the same one."""
        return (*self.job, self.host, self.finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A finding that people were told of, and has not ended.

    Args:
        trouble: The finding as it was last seen.
        level: The greatest level that was told.
        told_ns: When it was last told.
    """

    trouble: Trouble
    level: int
    told_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One change that people are told of."""

    kind: Kind
    trouble: Trouble


Episodes = Mapping[tuple[str, ...], Episode]


def changed(  # noqa: PLR0913 - what is known before a look, and what it found
    episodes: Episodes,
    troubles: Iterable[Trouble],
    *,
    undecided: Container[JobId] = (),
    suppressed: Container[tuple[str, ...]] = (),
    refuted: Container[tuple[JobId, int]] = (),
    now_ns: int,
) -> tuple[dict[tuple[str, ...], Episode], list[Notice]]:
    """Returns the episodes after a look, and what is to be told; the worst first.

    Args:
        episodes: Those before the look, by their keys.
        troubles: What holds now.
        undecided: Jobs of which nothing can be known now: nothing of theirs ends.
        suppressed: The keys of findings that a finding about their host stands for: they do not begin, and do not end.
        refuted: Due times of misses that late data refuted.
        now_ns: The time of the look, in ns since 1970.
    """
    holding = {trouble.key: trouble for trouble in troubles if trouble.level and trouble.finding not in NEVER_TOLD}
    after: dict[tuple[str, ...], Episode] = {}
    notices: list[Notice] = []
    for key, trouble in holding.items():
        before = episodes.get(key)
        kind = _kind(before, trouble, now_ns)
        if kind is not None:
            notices.append(Notice(kind=kind, trouble=trouble))
        level = trouble.level if before is None else max(before.level, trouble.level)
        told_ns = now_ns if kind is not None or before is None else before.told_ns
        after[key] = Episode(trouble=trouble, level=level, told_ns=told_ns)
    for key, episode in episodes.items():
        if key in holding:
            continue
        trouble = episode.trouble
        if trouble.job in undecided or key in suppressed:
            after[key] = episode
            continue
        is_refuted = trouble.due_ns is not None and (trouble.job, trouble.due_ns) in refuted
        notices.append(Notice(kind="refuted" if is_refuted else "cleared", trouble=replace(trouble, level=0)))
    return after, sorted(notices, key=lambda notice: (-notice.trouble.level, notice.trouble.key))


def _kind(before: Episode | None, trouble: Trouble, now_ns: int) -> Kind | None:
    if before is None:
        return "opened"
    if before.level < trouble.level:
        return "worsened"
    # A time that is a day ahead was written by a clock that was wrong.
    return "reminder" if abs(now_ns - before.told_ns) >= REMIND_NS else None
