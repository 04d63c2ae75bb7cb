"""The schema of the history: made, upgraded, and compared with what a file has.

A file can come from another user of the machine, and SQLite runs the SQL in it. So a file is used only if its tables
and indexes are exactly ours and it has no triggers. It may have other views: the package never reads any.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_job_measure import names
from otel_job_measure.errors import HistoryError, NewerHistoryError
from otel_job_measure.points.fields import RUN_FIELDS, UUID, Column

_APPLICATION_ID: Final = 0x6F6A6D68
"""Identifies the file as a history ("ojmh")."""
_TEXT: Final = "'"
_NAME: Final = '"'
_ENTRIES: Final = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type <> 'view' LIMIT 100"
_TAGS: Final = "SELECT name FROM further_tags ORDER BY name LIMIT 1000"
_STATISTICS: Final = ("sqlite_stat1", "sqlite_stat4")
"""What `ANALYZE` makes."""

_FIELDS: Final = tuple(each for each in RUN_FIELDS if each is not UUID)
_SUCCESS: Final = """CASE
    WHEN lost_status = 'end' THEN 1.0 WHEN ifnull(lost_reason, '') NOT IN ({}) THEN 0.0 END""".format(
    ", ".join(f"'{reason}'" for reason in names.UNCOUNTED_REASONS)
)

_Entry = tuple[str, str, str, str]
"""A row of SQLite's own table of tables: type, name, table and text."""


@dataclass(slots=True)
class Schema:
    """The present schema, the views on it, and former versions: `upgrades[n - 1]` leads from version n to the next."""

    current: str
    views: str = ""
    former: Sequence[str] = ()
    upgrades: Sequence[str] = ()
    _known: set[tuple[int, frozenset[_Entry]]] = field(default_factory=set[tuple[int, frozenset[_Entry]]])
    """What files had that were compared before."""

    @property
    def version(self) -> int:
        """Returns the present version."""
        return len(self.upgrades) + 1

    def check(self, connection: sqlite3.Connection, path: Path) -> int:
        """Returns the version of a file, 0 of an empty one; a file that is not ours is a `HistoryError`."""
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        application: int = connection.execute("PRAGMA application_id").fetchone()[0]
        entries = frozenset[_Entry](connection.execute(_ENTRIES))
        if application != _APPLICATION_ID and entries:
            raise HistoryError(f"{path} is a database of another program; move it away")
        if version > self.version:
            raise NewerHistoryError(
                f"the history {path} was written by a newer version of otel-job-measure (its version is {version}, this"
                f" program knows {self.version}): upgrade this program, or set {names.ENV_PREFIX}HISTORY=off"
            )
        if entries:
            self._compare(version, entries, path)
        return version if entries else 0

    def prepare(
        self, connection: sqlite3.Connection, path: Path, will_change: Callable[[], None] = lambda: None
    ) -> None:
        """Makes the schema in an empty file and upgrades an older one; a file that is not ours is a `HistoryError`."""
        version = self.check(connection, path)
        if version < self.version:
            will_change()
            scripts = self.upgrades[version - 1 :] if version else [self.current]
            views = self.views and "; ".join(self._view_statements(connection, is_new=not version))
            connection.executescript(
                f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION_ID}; PRAGMA user_version = {self.version}; "
                f"{'; '.join(scripts)}; {views}; COMMIT;"
            )

    def make_views(self, connection: sqlite3.Connection) -> None:
        """Makes the views again, with a column for each further tag; in a transaction."""
        for statement in self._view_statements(connection):
            connection.execute(statement)

    def _compare(self, version: int, entries: frozenset[_Entry], path: Path) -> None:
        if (version, entries) in self._known:
            return
        found = {_plainly(entry) for entry in entries if entry[1] not in _STATISTICS}
        if found not in self._expected(version):
            expected = [*self._expected(version)]
            odd = sorted(found.difference(*expected) or expected[0] - found) if expected else []
            what = f"the {odd[0][0]} {odd[0][1][:80]!a}" if odd else f"the version {version}"
            raise HistoryError(
                f"the history {path} is not as this program makes it ({what} differs), so it is not used; move it away"
            )
        self._known.add((version, entries))

    def _expected(self, version: int) -> Iterator[set[_Entry]]:
        """Yields what a file of a version may have: made at once, or upgraded from an older version.

        Most files are as the first or the second of these, and each takes some milliseconds.
        """
        schemas = [*self.former, self.current]
        for first in range(version, 0, -1) if version <= self.version else ():
            with closing(sqlite3.connect(":memory:")) as made:
                made.executescript(schemas[first - 1])
                made.executescript(";".join(self.upgrades[first - 1 : version - 1]))
                yield {_plainly(entry) for entry in made.execute(_ENTRIES)}

    def _view_statements(self, connection: sqlite3.Connection, *, is_new: bool = False) -> list[str]:
        tags: list[str] = [] if is_new else [name for (name,) in connection.execute(_TAGS)]
        columns = {
            "further": " ".join(
                f"(SELECT value FROM json_each(point.tags) WHERE key = {_quoted(name, _TEXT)}) AS {_quoted(name, _NAME)},"  # noqa: S608, E501 - quoted
                for name in tags
                if "\0" not in name  # SQL cannot write it
            ),
            "fields": "".join(f', "{each.name}"' for each in _FIELDS),
            "ending_fields": "".join(f', "{each.column}" AS "{each.name}"' for each in _FIELDS),
            "lost_fields": "".join(f', {_lost_field(each)} AS "{each.name}"' for each in _FIELDS),
        }
        statements = self.views.split(";")
        for name, text in columns.items():
            statements = [statement.replace(f"/* :{name} */", text) for statement in statements]
        return statements


_comment = re.compile(r"--[^\n]*").sub
_spaces = re.compile(r"\s+").sub


def _plainly(entry: Sequence[str | None]) -> _Entry:
    """Returns an entry whose text has no comments and plain spaces, so that a better comment changes no schema."""
    kind, name, table, text = (str(each or "") for each in entry)
    return kind, name, table, _spaces(" ", _comment("", text)).replace(" ,", ",").strip()


def _lost_field(column: Column) -> str:
    return _SUCCESS if column.name == names.FIELD_SUCCESS else f"json_extract(lost_values, '$.{column.column}')"


def _quoted(text: str, mark: str) -> str:
    return f"{mark}{text.replace(mark, 2 * mark)}{mark}"
