"""Puts what was found into the docs: the numbers stand between markers, and only this writes them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.chart import chart
from benchmarks.report import Report, markdown, verdicts
from benchmarks.tables import Table

PAGE: Final = "performance.md"
PAGES: Final = (PAGE, "monitor.md")
_JSON: Final = "performance.json"
_CHART: Final = "performance.svg"
_CHARTED: Final = "peers"


def publish(report: Report, folder: Path) -> None:
    """Writes the tables of performance.md and monitor.md, the chart, and the JSON that all come from.

    What was measured before, and not this time, stays as it was.

    Args:
        report: What was found.
        folder: The docs.
    """
    file = folder / _JSON
    if file.exists():
        report = Report.from_object(json.loads(file.read_text())).updated(report)
    file.write_text(json.dumps(report.as_object(), indent=1, ensure_ascii=False) + "\n")
    for page in (folder / name for name in PAGES):
        if page.exists():
            page.write_text(filled(page.read_text(), texts(report)))
    tables = {table.name: table for part in report.parts.values() for table in part.tables}
    if _CHARTED in tables:
        (folder / _CHART).write_text(_waiting(tables[_CHARTED]))


def texts(report: Report) -> dict[str, str]:
    """Returns what stands between the markers, by their names.

    Args:
        report: What was found.
    """
    found = {"line": report.line, "targets": markdown(verdicts(report.parts))}
    for part in report.parts.values():
        for table in part.tables:
            made = "" if part.made == report.line else f"\n\n{part.made}"
            found[table.name] = f"**{table.title}**\n\n{markdown(table)}{made}"
    return found


def filled(page: str, between: Mapping[str, str]) -> str:
    """Replaces what stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`.

    Args:
        page: The page.
        between: The new texts by name; what is between other markers stays.
    """

    def text(found: re.Match[str]) -> str:
        name = found["name"]
        return f"{found['begin']}\n{between[name]}\n{found['end']}" if name in between else found[0]

    return re.sub(
        r"(?P<begin><!-- bench:(?P<name>[\w-]+) -->)\n.*?(?P<end><!-- /bench:(?P=name) -->)",
        text,
        page,
        flags=re.DOTALL,
    )


def _waiting(peers: Table) -> str:
    titles = [column.title for column in peers.columns]
    server = "InfluxDB" if "InfluxDB, p50" in titles else "a stub"
    at, instead = titles.index(f"{server}, p50"), titles.index("a stub, p50")
    values = [(str(row[0]), row[at] if row[at] is not None else row[instead]) for row in peers.rows]
    known = [(name, float(value)) for name, value in values if value is not None]
    return chart("How long a job waits for its measurement (median of a run, logarithmic)", known)
