"""The part of the rows that all runs of one job have in common, encoded once."""

import re
from functools import partial

from otel_job_measure import names
from otel_job_measure.points.escaping import escape_measurement, escape_tag, misread
from otel_job_measure.points.tags import DefaultTags
from otel_job_measure.points.text import clean_tag, warn_once

_KEPT = 1024
# Compiled when it is first needed: most processes never do, and `exec` stands before every line of a crontab.
_before_separator = partial(re.sub, r"(?<!\\)(?:\\\\)+(?=[,=])")
_known: "dict[tuple[str, DefaultTags], Series]" = {}
"""Only single operations of a dict, which no thread, signal handler or garbage collector can come between."""


class Series:
    """The encoded start of the rows of one job with the same tags.

    The rows put their own tags and fields between its parts, so that no run has to escape or sort anything.

    Args:
        job: The job's name.
        tags: The default tags.
    """

    __slots__ = (
        "good_end",
        "good_run",
        "run_after_reason",
        "run_after_status",
        "run_until_reason",
        "start",
        "until_status",
    )

    start: str
    """A start row up to its uuid."""
    good_end: str
    """An ending of the old measurement up to its uuid, of a run that ended well."""
    good_run: str
    """A run row up to its fields, of a run that ended well."""
    until_status: str
    """An ending of the old measurement up to its status."""
    run_until_reason: str
    """A run row up to its tag `reason`, which a run that ended well doesn't have."""
    run_after_reason: str
    """What follows there, up to the value of its tag `status`."""
    run_after_status: str
    """What follows there, up to the fields."""

    def __init__(self, job: str, tags: DefaultTags) -> None:
        texts = _texts(job, tags)
        old = _joined(texts)
        self.until_status = f'{escape_measurement(names.POINTS)}{old} {names.FIELD_STATUS}="'
        self.start = f'{self.until_status}{names.STATUS_START}",{names.FIELD_UUID}="'
        self.good_end = f'{self.until_status}{names.STATUS_END}",{names.FIELD_UUID}="'
        until_reason = [text for text in texts if text[0] < names.TAG_REASON]
        until_status = [text for text in texts if names.TAG_REASON < text[0] < names.TAG_STATUS]
        after_status = [text for text in texts if text[0] > names.TAG_STATUS]
        self.run_until_reason = f"{escape_measurement(names.RUNS)}{_joined(until_reason)}"
        self.run_after_reason = f"{_joined(until_status)},{names.TAG_STATUS}="
        self.run_after_status = f"{_joined(after_status)} "
        self.good_run = f"{self.run_until_reason}{self.run_after_reason}{names.STATUS_END}{self.run_after_status}"


def series(job: str, tags: DefaultTags) -> Series:
    """Gives the series of a job, the same one for the same arguments while it is remembered.

    Args:
        job: The job's name, any string; an empty one is `unnamed`.
        tags: The default tags.

    Returns:
        The encoded start of its rows.
    """
    key = (job, tags)
    found = _known.get(key)
    if found is None:
        found = Series(job, tags)
        if len(_known) >= _KEPT:  # names that never end: begin again, rather than keep account of their use
            _known.clear()
        _known[key] = found
    return found


def _texts(job: str, tags: DefaultTags) -> list[tuple[str, str]]:
    """Returns names and values, clean and escaped, in InfluxDB's order, without those that have no value."""
    values: dict[str, str | None] = {
        **dict(tags.more),
        names.TAG_JOB: job or names.UNNAMED,
        names.TAG_DATACENTER: tags.datacenter,
        names.TAG_PROJECT: tags.project,
        names.TAG_STAGE: tags.stage,
    }
    given = ((name, value) for name, value in values.items() if value)
    texts = sorted((escape_tag(clean_tag(name)), escape_tag(clean_tag(value))) for name, value in given)
    return _told_apart(texts) if misread(_joined(texts)) else texts


def _joined(texts: list[tuple[str, str]]) -> str:
    return "".join(f",{name}={value}" for name, value in texts)


def _told_apart(texts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    r"""Returns the same texts with one more backslash in each `\,` and `\=`, so that InfluxDB finds the line's end."""
    warn_once(r"with `\ ` before it in the tags, `\,` is written as `\\,` and `\=` as `\\=`", _joined(texts))
    return [(_doubled(name), _doubled(value)) for name, value in texts]


def _doubled(text: str) -> str:
    return _before_separator(r"\g<0>" + r"\\", text)
