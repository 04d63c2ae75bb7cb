"""An expected job as JSON, for the store, rows and programs: the same job is always the same text.

Texts come back from files and servers that others may have written. So `decode` takes nothing on trust: it checks
every type and size, and ignores keys that it does not know.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import groupby, pairwise
from typing import Any, Final, NoReturn, TypeVar, cast

from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations.expectation import (
    SOURCES,
    DueList,
    Expectation,
    ExpectedJob,
    JobId,
    Skip,
    Version,
)

_T = TypeVar("_T")

VERSION: Final = 1
MOST_CHARS: Final = 60_000
"""An InfluxDB string field holds 64 KiB."""
MOST_VERSIONS: Final = 50
MOST_DUES: Final = 5000
MOST_SKIPS: Final = 200
_MOST_LISTS: Final = 20
_MOST_NAME: Final = 1024
_MOST_TEXT: Final = 4096
_LAST_NS: Final = 2**63 - 1
_MOST_S: Final = 1e10
_TEXTS: Final = ("schedule", "dialect", "timezone")
_FLAGS: Final = ("by_scheduler",)
_WHOLE: Final = ("failures",)
_LIMITS: Final = tuple(field.name for field in fields(Expectation))
_DEFAULTS: Final = Expectation()


class _RefusedError(ValueError):
    """A value is not what this package writes."""


def encode(job: ExpectedJob) -> str:
    """Returns a job as one line of JSON with sorted keys; without its oldest lists and versions if it is too long."""
    while len(text := json.dumps(as_object(job), sort_keys=True, separators=(",", ":"))) > MOST_CHARS:
        if len(job.due_lists) > 1:
            job = replace(job, due_lists=job.due_lists[1:])
        elif len(job.versions) > 1:
            job = replace(job, versions=job.versions[1:])
        elif job.due_lists or job.skips:
            job = replace(job, due_lists=(), skips=())
        else:
            break
    return text


def as_object(job: ExpectedJob) -> dict[str, object]:
    """Returns a job as plain values for JSON."""
    given: dict[str, object] = {
        "format": VERSION,
        "job": job.job.job,
        "project": job.job.project,
        "stage": job.job.stage,
        "source": job.source,
        "origin": job.origin,
        "host": job.host,
        "first_seen": job.first_seen_ns,
        "versions": [_version(version) for version in job.versions[-MOST_VERSIONS:]],
        "dues": [_due_list(due_list) for due_list in job.due_lists[-_MOST_LISTS:]],
        "skips": [list(skip) for skip in job.skips[-MOST_SKIPS:]],
        "retired": job.retired_ns,
        "retired_why": job.retired_why,
    }
    return {name: value for name, value in given.items() if value not in (None, "", [])} | {"job": job.job.job}


def decode(text: str | bytes) -> ExpectedJob:
    """Returns the job that a text describes.

    Raises:
        ScheduleError: It is not such a text, or a newer version of this package wrote it.
    """
    if len(text) > MOST_CHARS:
        raise ScheduleError(f"an expectation has at most {MOST_CHARS} characters, got {len(text)}")
    try:
        found: object = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # not JSON, not Unicode, a number of thousands of digits
        raise ScheduleError(f"not the JSON of an expectation: {error}") from error
    return from_object(found)


def from_object(found: object) -> ExpectedJob:
    """Returns the job that plain values describe; raises `ScheduleError` as `decode` does."""
    try:
        return _job(_mapping(found))
    except _RefusedError as refused:
        raise ScheduleError(f"not an expectation of this package: {refused}") from refused


def expectation_object(expectation: Expectation) -> dict[str, object]:
    """Returns the limits that are set, by the names of `Expectation`."""
    values = {name: getattr(expectation, name) for name in _LIMITS}
    return {name: value for name, value in values.items() if value != getattr(_DEFAULTS, name)}


def _version(version: Version) -> dict[str, object]:
    return {"since": version.since_ns, **expectation_object(version.expectation)}


def _due_list(due_list: DueList) -> dict[str, object]:
    """Returns a list with the gaps between its due times, since most of them are equal."""
    dues = due_list.dues_ns[:MOST_DUES]
    gaps = (late - early for early, late in pairwise(dues))
    runs = [[gap, sum(1 for _ in same)] for gap, same in groupby(gaps)]
    return {"from": due_list.from_ns, "until": due_list.until_ns, "first": dues[0] if dues else None, "gaps": runs}


def _job(found: dict[str, Any]) -> ExpectedJob:
    if found.get("format") != VERSION:
        raise _RefusedError(f"its format is {str(found.get('format'))[:40]!a}, this version reads {VERSION}")
    source = found.get("source")
    if source not in SOURCES:
        raise _RefusedError(f"its source is {str(source)[:40]!a}")
    versions = tuple(_each(found, "versions", _version_from, MOST_VERSIONS))
    if not versions or any(late.since_ns < early.since_ns for early, late in pairwise(versions)):
        raise _RefusedError("its versions are missing or out of order")
    lists = tuple(_each(found, "dues", _due_list_from, _MOST_LISTS))
    if any(late.from_ns < early.from_ns for early, late in pairwise(lists)):
        raise _RefusedError("its lists of due times are out of order")
    return ExpectedJob(
        job=JobId(*(_text(found.get(name, ""), _MOST_NAME) for name in ("job", "project", "stage"))),
        source=source,
        origin=_text(found.get("origin", ""), _MOST_TEXT),
        host=None if found.get("host") is None else _text(found["host"], _MOST_NAME),
        first_seen_ns=_time(found.get("first_seen")),
        versions=versions,
        due_lists=lists,
        skips=tuple(_each(found, "skips", _skip_from, MOST_SKIPS)),
        retired_ns=None if found.get("retired") is None else _time(found["retired"]),
        retired_why=_text(found.get("retired_why", ""), _MOST_TEXT),
    )


def _version_from(found: object) -> Version:
    values = _mapping(found)
    return Version(_time(values.get("since")), _expectation(values))


def _expectation(values: dict[str, Any]) -> Expectation:
    limits = {name: _limit(name, values[name]) for name in _LIMITS if values.get(name) is not None}
    return Expectation(**limits)


def _limit(name: str, value: object) -> Any:  # noqa: ANN401 - of the field's type
    if name in _TEXTS:
        return _text(value, _MOST_TEXT)
    if name == "scope":
        if value not in ("any", "host"):
            raise _RefusedError(f"scope cannot be {str(value)[:40]!a}")
        return value
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise _RefusedError(f"{name} is no boolean")
        return value
    is_number = isinstance(value, int if name in _WHOLE else int | float) and not isinstance(value, bool)
    if not is_number or not 0 < cast("float", value) <= _MOST_S:
        raise _RefusedError(f"{name} is no number from 0 to {_MOST_S:g}")
    return value if name in _WHOLE else float(cast("float", value))


def _due_list_from(found: object) -> DueList:
    values = _mapping(found)
    from_ns, until_ns = _time(values.get("from")), _time(values.get("until"))
    dues = [] if values.get("first") is None else [_time(values["first"])]
    for gap, count in _each(values, "gaps", _pair, MOST_DUES):
        if not dues or gap <= 0 or not 0 < count <= MOST_DUES - len(dues):
            raise _RefusedError("its due times are too many or out of order")
        dues += [dues[-1] + gap * number for number in range(1, count + 1)]
    if dues and not from_ns <= dues[0] <= dues[-1] <= until_ns:
        raise _RefusedError("its due times are outside their list")
    return DueList(from_ns, until_ns, tuple(dues))


def _pair(found: object) -> tuple[int, int]:
    if not isinstance(found, list) or len(cast("list[object]", found)) != 2:  # noqa: PLR2004 - a pair
        raise _RefusedError("a gap is no pair")
    gap, count = cast("list[object]", found)
    return _time(gap), _time(count)


def _skip_from(found: object) -> Skip:
    values = cast("list[object]", found) if isinstance(found, list) else []
    if len(values) not in (2, 3):
        raise _RefusedError("a skip has a begin, an end and a reason")
    from_ns, until_ns, *why = values
    return Skip(_time(from_ns), _time(until_ns), _text(why[0] if why else "", _MOST_TEXT))


def _each(found: dict[str, Any], name: str, read: Callable[[object], _T], most: int) -> Iterator[_T]:
    values: object = found.get(name, [])
    if not isinstance(values, list) or len(cast("list[object]", values)) > most:
        raise _RefusedError(f"{name} is no list of at most {most}")
    return map(read, cast("list[object]", values))


def _mapping(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise _RefusedError("it is no object")
    return cast("dict[str, Any]", found)


def _text(found: object, most: int) -> str:
    """Returns a text; what is no Unicode becomes U+FFFD, so that every file and terminal takes it."""
    if not isinstance(found, str) or len(found) > most:
        raise _RefusedError(f"a text is missing, or longer than {most} characters")
    return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _time(found: object) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= _LAST_NS:
        raise _RefusedError("a time is no number of nanoseconds since 1970")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
