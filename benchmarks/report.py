"""All that was found, for people and for programs."""

from dataclasses import dataclass, replace
from typing import Any

from benchmarks.tables import Column, Part, Table, Verdict, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that one run of the command found.

    Args:
        command: What was called.
        date: On which day.
        machine: On which machine.
        versions: Of what was compared.
        parts: What each measure found, by its name.
    """

    command: str
    date: str
    machine: dict[str, str]
    versions: dict[str, str]
    parts: dict[str, Part]

    def as_object(self) -> dict[str, Any]:
        """Returns what JSON can hold."""
        return {
            "command": self.command,
            "date": self.date,
            "machine": self.machine,
            "versions": self.versions,
            "parts": {name: part.as_object() for name, part in self.parts.items()},
        }

    @classmethod
    def from_object(cls, given: dict[str, Any]) -> "Report":
        """Reads what `as_object` returned."""
        return cls(
            command=given["command"],
            date=given["date"],
            machine=given["machine"],
            versions=given["versions"],
            parts={name: Part.from_object(part) for name, part in given["parts"].items()},
        )

    def updated(self, later: "Report") -> "Report":
        """Returns a later report, with what only this one has besides.

        Args:
            later: What was found since.
        """
        parts = {name: later.parts.get(name) or part for name, part in self.parts.items()}
        # The whole page is dated by the command that most of it comes from; no command measures all of it.
        kept = sum(part.made == self.line for name, part in self.parts.items() if name not in later.parts)
        whole = later if len(later.parts) >= kept else self
        return replace(whole, parts=parts | later.parts)

    @property
    def line(self) -> str:
        """Returns the command, the date, the machine and the versions in one paragraph."""
        machine = ", ".join(
            [
                self.machine["processor"],
                f"{self.machine['cores']} cores",
                self.machine["memory"],
                self.machine["system"],
                f"load {self.machine['load before']} before it began",
            ]
        )
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return f"`{self.command}`, {self.date}. {machine}. {versions}."


def markdown(table: Table) -> str:
    """Writes a table in Markdown.

    Args:
        table: The table.
    """
    rule = [":---" if column.unit == "text" else "---:" for column in table.columns]
    lines = [[column.title for column in table.columns], rule, *_cells(table)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + (f"\n\n{table.note}" if table.note else "")


def plain(table: Table) -> str:
    """Writes a table for a terminal.

    Args:
        table: The table.
    """
    lines = [[column.title for column in table.columns], *_cells(table)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    rows = [
        "  ".join(
            cell.ljust(width) if column.unit == "text" else cell.rjust(width)
            for cell, width, column in zip(cells, widths, table.columns, strict=True)
        )
        for cells in lines
    ]
    return "\n".join([table.title, *rows, *([table.note] if table.note else [])])


def verdicts(parts: dict[str, Part]) -> Table:
    """Puts what became of all targets into one table.

    Args:
        parts: What each measure found.
    """
    found: list[Verdict] = [verdict for part in parts.values() for verdict in part.verdicts]
    return Table(
        name="targets",
        title="Targets",
        columns=tuple(Column(title=title, unit="text") for title in ("what", "target", "measured", "")),
        rows=tuple((each.what, each.target, each.got, "met" if each.met else "**missed**") for each in found),
    )


def _cells(table: Table) -> list[list[str]]:
    return [[shown(cell, column.unit) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
