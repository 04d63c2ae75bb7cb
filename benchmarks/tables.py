"""What a measure finds: tables, and what became of the targets."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

Cell = str | float | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Args:
        title: What stands above it.
        unit: What its values are: one of `UNITS`.
    """

    title: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table.

    Args:
        name: What the docs call it by.
        title: What stands above it.
        columns: Its columns.
        rows: Its values; None where there is none.
        note: What its readers have to know.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a target.

    Args:
        what: What was measured.
        target: The bound, in words.
        got: The value, in words.
        met: Whether it is within the bound.
    """

    what: str
    target: str
    got: str
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one measure found.

    Args:
        tables: Its tables.
        verdicts: What became of its targets.
        made: By which command, when, on which machine, with which versions.
    """

    tables: tuple[Table, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    made: str = ""

    def as_object(self) -> dict[str, Any]:
        """Returns what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_object(cls, given: dict[str, Any]) -> "Part":
        """Reads what `as_object` returned."""
        tables = tuple(
            Table(
                name=table["name"],
                title=table["title"],
                columns=tuple(Column(**column) for column in table["columns"]),
                rows=tuple(tuple(row) for row in table["rows"]),
                note=table["note"],
            )
            for table in given["tables"]
        )
        found = tuple(Verdict(**verdict) for verdict in given["verdicts"])
        return cls(tables=tables, verdicts=found, made=given["made"])


def at_most(what: str, value: float, bound: float, unit: str) -> Verdict:
    """Says whether a value is at most a bound.

    Args:
        what: What was measured.
        value: The value.
        bound: The bound.
        unit: The unit of both.
    """
    return Verdict(what=what, target=f"≤ {shown(bound, unit)}", got=shown(value, unit), met=value <= bound)


def at_least(what: str, value: float, bound: float, unit: str) -> Verdict:
    """Says whether a value is at least a bound.

    Args:
        what: What was measured.
        value: The value.
        bound: The bound.
        unit: The unit of both.
    """
    return Verdict(what=what, target=f"≥ {shown(bound, unit)}", got=shown(value, unit), met=value >= bound)


def _three_digits(value: float) -> str:
    """Returns a number with three digits that count, and commas between thousands."""
    for bound, form in ((100, "{:,.0f}"), (10, "{:.1f}"), (0, "{:.2f}")):
        if abs(value) >= bound:
            return form.format(value)
    return f"{value:.2f}"


UNITS: Final[Mapping[str, Callable[[Any], str]]] = {
    "text": str,
    "count": lambda value: f"{value:,.0f}",
    "number": lambda value: _three_digits(float(value)),
    "us": lambda ns: f"{_three_digits(ns / 1e3)} µs",
    "ms": lambda ns: f"{_three_digits(ns / 1e6)} ms",
    "s": lambda seconds: f"{_three_digits(seconds)} s",
    "times": lambda value: f"{_three_digits(value)} ×",  # noqa: RUF001 - this is how factors are written
    "percent": lambda value: f"{_three_digits(value)} %",
    "bytes": lambda value: f"{value:,.0f} B",
    "MiB": lambda value: f"{value / 2**20:.1f} MiB",
    "per second": lambda value: f"{value:,.0f}/s",
}


def shown(value: Cell, unit: str) -> str:
    """Writes a value for people.

    Args:
        value: The value; None where there is none.
        unit: One of `UNITS`.
    """
    return "–" if value is None else UNITS[unit](value)  # noqa: RUF001 - this is how nothing is written
