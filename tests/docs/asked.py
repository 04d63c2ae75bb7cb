"""The page, cut into its queries, and the places that they are asked in."""

import re
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datafusion import SessionContext

from tests.docs.data_set import DAY, Fact
from tests.docs.tables import rows_of
from tests.support.influx import InfluxServer
from tests.support.influxd import VERSION, VERSIONS_1

PAGE = (Path(__file__).parents[2] / "docs" / "data-model.md").read_text(encoding="utf-8")
LANGUAGES = ("flux", "influxql", "sql", "postgresql")
"""Those of the page: SQL of the history, and of InfluxDB 3, which is close to PostgreSQL's."""
PLACES = ("flux", *(f"influxql {version}" for version in (*VERSIONS_1, VERSION)), "sql", "postgresql")
"""Each language, with the server that is asked if there are several."""


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
class Bucket:
    """A server, and where its rows are.

    Args:
        influx: The server.
        name: Where our rows are.
        then_and_now: Where the rows are that the old middleware would have written, and ours of the same runs; without
            those that were lost, of which it knew nothing.
    """

    influx: InfluxServer
    name: str
    then_and_now: tuple[str, str]


@dataclass(frozen=True)
class Asked:
    """The runs that were measured, and the places to ask.

    Args:
        now_ns: When.
        runs: What happened.
        buckets: The servers by version.
        history: The history's file.
        tables: The rows as the SQL engine of InfluxDB 3 has them.
    """

    now_ns: int
    runs: Sequence[Fact]
    buckets: Mapping[str, Bucket]
    history: Path
    tables: SessionContext

    def ask(self, place: str, query: str, bucket: str | None = None) -> list[dict[str, Any]]:
        """Runs a query of the page."""
        language, _, version = place.partition(" ")
        if language in ("flux", "influxql"):
            asked = self.buckets[version or VERSION]
            asked.influx.start()
            name = bucket or asked.name
            if language == "influxql":
                return asked.influx.influxql(query, name)
            return asked.influx.flux(query.replace('bucket: "jobs"', f'bucket: "{name}"'))
        if language == "postgresql":
            return rows_of(self.tables, query)
        with closing(sqlite3.connect(f"{self.history.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def ended(self, *, within_ns: int = DAY) -> list[Fact]:
        """Returns the runs that ended in the window."""
        return [run for run in self.runs if run.end_ns is not None and run.end_ns > self.now_ns - within_ns]

    def begun(self, *, within_ns: int = DAY) -> list[Fact]:
        """Returns the runs that began in the window."""
        return [run for run in self.runs if run.start_ns > self.now_ns - within_ns]
