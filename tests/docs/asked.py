"""The page, cut into its queries, and the places that they are asked in."""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docs.data_set import DAY, Fact
from tests.support.influx import InfluxServer

PAGE = (Path(__file__).parents[2] / "docs" / "data-model.md").read_text(encoding="utf-8")
LANGUAGES = ("flux", "influxql", "sql")


def blocks() -> dict[tuple[str, str], list[str]]:
    """Returns the fenced blocks of the page by heading and language."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    heading = ""
    for match in re.finditer(r"^#+ ([^\n]*)$|^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        if match[1]:
            heading = match[1]
        else:
            found[heading, match[2]].append(match[3])
    return dict(found)


BLOCKS = blocks()


@dataclass(frozen=True)
class Asked:
    """The runs that were measured, and the three places to ask.

    Args:
        now_ns: When.
        runs: What happened.
        influx: The server.
        bucket: Where our rows are.
        then_and_now: Where the rows are that the old middleware would have written, and ours of the same runs; without
            those that were lost, of which it knew nothing.
        history: The history's file.
    """

    now_ns: int
    runs: Sequence[Fact]
    influx: InfluxServer
    bucket: str
    then_and_now: tuple[str, str]
    history: Path

    def ask(self, language: str, query: str, bucket: str | None = None) -> list[dict[str, Any]]:
        """Runs a query of the page."""
        place = bucket or self.bucket
        if language == "flux":
            return self.influx.flux(query.replace('bucket: "jobs"', f'bucket: "{place}"'))
        if language == "influxql":
            return self.influx.influxql(query, place)
        with closing(sqlite3.connect(f"{self.history.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def ended(self, *, within_ns: int = DAY) -> list[Fact]:
        """Returns the runs that ended in the window."""
        return [run for run in self.runs if run.end_ns is not None and run.end_ns > self.now_ns - within_ns]

    def begun(self, *, within_ns: int = DAY) -> list[Fact]:
        """Returns the runs that began in the window."""
        return [run for run in self.runs if run.start_ns > self.now_ns - within_ns]
