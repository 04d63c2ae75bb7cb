"""The views `"scheduling-job"` and `"scheduling-job-run"`: a column for each further tag that was ever seen."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_PLACE: Final = "/* :further */"
_TEXT: Final = "'"
_NAME: Final = '"'


def make_views(connection: "sqlite3.Connection", script: str) -> None:
    """Makes the views again.

    Args:
        connection: In a transaction.
        script: What `views.sql` holds: without further tags it can be run as it stands.
    """
    names: list[str] = [name for (name,) in connection.execute("SELECT name FROM further_tags ORDER BY name")]
    columns = " ".join(
        f"(SELECT value FROM json_each(point.tags) WHERE key = {_quoted(name, _TEXT)}) AS {_quoted(name, _NAME)},"  # noqa: S608 - quoted
        for name in names
        if "\0" not in name  # SQL has no way to say it
    )
    for statement in script.split(";"):
        connection.execute(statement.replace(_PLACE, columns))


def _quoted(text: str, mark: str) -> str:
    return f"{mark}{text.replace(mark, 2 * mark)}{mark}"
