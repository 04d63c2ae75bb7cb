"""The words of a notification: a subject, a text for people, and a JSON object for programs."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from otel_job_measure.insight.notify.notices import Kind, Notice, Trouble
from otel_job_measure.printable import printable

VERSION: Final = 1
"""Of the JSON object."""
MOST_ALONE: Final = 5
"""More notices than this are one message."""
_MOST_LISTED: Final = 50
_LONGEST: Final = 200
_LEVELS: Final = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}
_ENDS: Final[Mapping[Kind, str]] = {
    "opened": "",
    "worsened": ": got worse",
    "cleared": ": over",
    "refuted": ": it ran after all",
    "reminder": ": still",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a target gets.

    Args:
        id: The same however often it is sent, so that receivers can drop a repetition.
        subject: One line of printable text.
        text: Lines of printable text.
        body: The JSON object; docs/notifications.md describes it.
    """

    id: str
    subject: str
    text: str
    body: Mapping[str, Any]

    def encoded(self) -> bytes:
        """Returns the JSON object as it is sent and signed."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def message_of(message_id: str, notices: Sequence[Notice], *, now_ns: int, link: str = "") -> Message:
    """Returns the message of one notice or of many.

    Args:
        message_id: Its id.
        notices: At least one, the worst first.
        now_ns: When it was found, in ns since 1970.
        link: A URL for people (`OTEL_JOB_MEASURE_LINK`); `{job}` and `{uuid}` in it are replaced.
    """
    if len(notices) == 1:
        subject, lines = _subject(notices[0]), _lines(notices[0].trouble, link)
    else:
        subject = f"[{_LEVELS[notices[0].trouble.level]}] {len(notices)} changes: {_counts(notices)}"
        lines = [_subject(notice) for notice in notices[:_MOST_LISTED]]
        if len(notices) > _MOST_LISTED:
            lines.append(f"and {len(notices) - _MOST_LISTED} more")
        lines += [f"Open: {filled}"] if (filled := _filled(link, None)) else []
    text = "\n".join((subject, "", *lines)) + "\n"
    body = {
        "version": VERSION,
        "id": message_id,
        "found": _iso(now_ns),
        "subject": subject,
        "text": text,
        "notices": [_object(notice, link) for notice in notices],
    }
    return Message(id=message_id, subject=subject, text=text, body=body)


def _subject(notice: Notice) -> str:
    trouble = notice.trouble
    return f"[{_LEVELS[trouble.level]}] {_whose(trouble)} {trouble.finding}{_ENDS[notice.kind]}"


def _whose(trouble: Trouble) -> str:
    job = trouble.job
    scope = ", ".join(_short(each) for each in (job.project, job.stage, trouble.host) if each)
    if not job.job:
        return _short(trouble.host) or "the store"
    return f"{_short(job.job)} ({scope})" if scope else _short(job.job)


def _counts(notices: Sequence[Notice]) -> str:
    counts: dict[str, int] = {}
    for notice in notices:
        word = f"{notice.trouble.finding}{_ENDS[notice.kind]}"
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _lines(trouble: Trouble, link: str) -> list[str]:
    job = trouble.job
    told = {
        "Job": _short(job.job),
        "Project": _short(job.project),
        "Stage": _short(job.stage),
        "Host": _short(trouble.host),
        "Since": _iso(trouble.since_ns),
        "Due": _iso(trouble.due_ns),
        "Last success": _iso(trouble.last_success_ns),
        "Error": _short(trouble.error_type or ""),
        "Last line": _short(trouble.last_line or ""),
        "Detail": _short(trouble.detail),
        "Run": trouble.uuid,
        "Open": _filled(link, trouble),
    }
    return [f"{name}: {value}" for name, value in told.items() if value]


def _object(notice: Notice, link: str) -> dict[str, Any]:
    trouble = notice.trouble
    return {
        "kind": notice.kind,
        "finding": trouble.finding,
        "level": trouble.level,
        "job": trouble.job.job or None,
        "project": trouble.job.project or None,
        "stage": trouble.job.stage or None,
        "host": trouble.host or None,
        "since": _iso(trouble.since_ns),
        "due": _iso(trouble.due_ns),
        "last_success": _iso(trouble.last_success_ns),
        "error_type": trouble.error_type,
        "last_line": trouble.last_line,
        "detail": trouble.detail or None,
        "uuid": trouble.uuid,
        "link": _filled(link, trouble) or None,
    }


def _filled(link: str, trouble: Trouble | None) -> str:
    job, uuid = (trouble.job.job, trouble.uuid or "") if trouble else ("", "")
    shown = {"{job}": quote(job, safe="", errors="replace"), "{uuid}": quote(uuid, safe="", errors="replace")}
    return re.sub(r"{job}|{uuid}", lambda found: shown[found[0]], link)


def _short(text: str) -> str:
    shown = printable(text[: 2 * _LONGEST])
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _iso(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    try:
        return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, OSError, ValueError):
        return f"{time_ns} ns"
