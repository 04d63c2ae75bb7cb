"""What is wanted, as conditions of SQL."""

from typing import NamedTuple

from otel_job_measure import names
from otel_job_measure.history.run_record import RUNNING
from otel_job_measure.history.wanted import Wanted


class Condition(NamedTuple):
    """A condition of rows of `runs`, with the values of its parameters."""

    sql: str
    values: dict[str, object]


class Half(NamedTuple):
    """The runs with a start, or those without one; together they are all, and each has an index by its times."""

    at: str
    """The column that tells when such a run counts."""
    sql: str
    """Which runs these are."""


def condition(wanted: Wanted, *, none: str | None = None) -> Condition:
    """Returns what must hold for a run besides its time, in plain comparisons: a million runs may be compared.

    Args:
        wanted: Which runs.
        none: What the columns of a run without project or stage have.
    """
    values: dict[str, object] = {}
    parts: list[str] = []
    if wanted.job is not None:
        parts.append(_job(wanted.job, wanted.pattern, values))
    for column in ("project", "stage", "host"):
        given: str | None = getattr(wanted, column)
        if given is not None:
            values[column] = given or none
            parts.append(f"{column} IS :{column}")
    if wanted.words:
        words = {f"word{n}": names.STATUS_START if word == RUNNING else word for n, word in enumerate(wanted.words)}
        values |= words
        some = ", ".join(f":{name}" for name in words)
        parts.append(f"(status IN ({some}) OR reason IN ({some}))")
    return Condition(" AND ".join(parts) or "TRUE", values)


def halves(wanted: Wanted) -> tuple[tuple[Half, Half], dict[str, object]]:
    """Returns the two halves of the runs within the time that is wanted, and the values of the parameters."""
    values: dict[str, object] = {}
    starts, ends = (within(column, wanted, values) for column in ("started_ns", "ended_ns"))
    with_start = Half("started_ns", f"started_ns IS NOT NULL AND {starts}")
    without = Half("ended_ns", f"started_ns IS NULL AND ended_ns IS NOT NULL AND {ends}")
    return (with_start, without), values


def within(at: str, wanted: Wanted, values: dict[str, object]) -> str:
    """Returns the condition that a time is within the wanted ones, and adds the values of its parameters."""
    parts: list[str] = []
    for name, bound, given in (("since", ">=", wanted.since_ns), ("until", "<", wanted.until_ns)):
        if given is not None:
            values[name] = given
            parts.append(f"{at} {bound} :{name}")
    return " AND ".join(parts) or "TRUE"


def _job(name: str, pattern: str | None, values: dict[str, object]) -> str:
    if pattern is None:
        values["job"] = name
        return "job = :job"
    while "**" in pattern:  # they mean the same, and SQLite would try each of them at each place
        pattern = pattern.replace("**", "*")
    values["job"] = pattern.replace("[", "[[]")
    return "job GLOB :job"
