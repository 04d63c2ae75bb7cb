"""The journal that takes a transaction back."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.history.test_database import database, use


def test_the_journal_is_written_over(tmp_path: Path) -> None:
    """It is neither made nor deleted for each transaction, and holds nothing to play back between two."""
    opened = database(tmp_path)
    files: set[int] = set()
    for number in range(2, 5):
        use(opened)
        with opened.transaction() as connection:
            connection.execute("INSERT INTO runs VALUES (?)", (number,))
        journal = tmp_path / "history.db-journal"
        files.add(journal.stat().st_ino)
        assert journal.read_bytes()[:8] == bytes(8)
    assert len(files) == 1


def test_the_log_of_somebody_who_has_it_open_is_no_hindrance(tmp_path: Path) -> None:
    """A file with another kind of journal keeps it, and transactions go on."""
    opened = database(tmp_path)
    use(opened)
    with closing(sqlite3.connect(tmp_path / "history.db")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        with opened.transaction() as connection:
            connection.execute("INSERT INTO runs VALUES (2)")
        assert (2,) in other.execute("SELECT * FROM runs").fetchall()
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
