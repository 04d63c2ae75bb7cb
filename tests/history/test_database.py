"""The file: private, open only during a transaction, and never the reason to lose anything."""

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from otel_job_measure.errors import BusyHistoryError, DamagedHistoryError, HistoryError, NewerHistoryError
from otel_job_measure.history.database import Database
from otel_job_measure.history.schema import Schema
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.testing import ManualClock
from tests.support.two_users import ONLY_ROOT, M, two_users

_FIRST = "CREATE TABLE runs (id INTEGER PRIMARY KEY); INSERT INTO runs VALUES (1);"
_BROKEN = "INSERT INTO runs VALUES (2); INSERT INTO nowhere VALUES (1);"
_SECOND = "ALTER TABLE runs ADD COLUMN more TEXT DEFAULT 'new';"

_MANY = (
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, text TEXT);"
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
    "INSERT INTO runs SELECT i, hex(zeroblob(250)) FROM n;"
)


def database(folder: Path, *versions: str) -> Database:
    """Returns a database with a schema, and what other versions added to it."""
    former = ["".join(versions[:number]) for number in range(1, len(versions))]
    schema = Schema("".join(versions) or _FIRST, former=former, upgrades=versions[1:])
    return Database(folder / "history.db", clock=ManualClock(), schema=schema)


def use(opened: Database) -> list[tuple[object, ...]]:
    """Does one transaction, and returns all rows."""
    with opened.transaction() as connection:
        return connection.execute("SELECT * FROM runs").fetchall()


def damage(path: Path) -> bytes:
    """Spoils all of a file but its first two pages."""
    content = bytearray(path.read_bytes())
    content[2 * 4096 :] = b"\x5a" * (len(content) - 2 * 4096)
    path.write_bytes(content)
    return bytes(content)


@contextmanager
def umask(mask: int) -> Generator[None]:
    """Has a umask while the block runs."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o277])
def test_only_the_owner_can_read_it(tmp_path: Path, mask: int) -> None:
    """File and lock have mode 0600 whatever the umask, and the journal that a transaction has too."""
    with umask(mask), database(tmp_path).transaction() as connection:
        connection.execute("INSERT INTO runs VALUES (2)")
        assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("history*")} == {
            "history.db": 0o600,
            "history.db-journal": 0o600,
            "history.lock": 0o600,
        }


def test_nothing_is_open_between_transactions(tmp_path: Path) -> None:
    """After a transaction no descriptor of the file or its lock is left, so that a fork inherits none."""
    opened = database(tmp_path)
    use(opened)
    ours = {(path.stat().st_dev, path.stat().st_ino) for path in tmp_path.glob("history*")}
    assert not ours & {_file_of(int(fd.name)) for fd in Path("/proc/self/fd").iterdir()}
    assert sorted(path.name for path in tmp_path.glob("history*")) == [
        "history.db",
        "history.db-journal",
        "history.lock",
    ]


def _file_of(fd: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(fd)
    except OSError:  # the one that listed the folder
        return None
    return status.st_dev, status.st_ino


def test_an_exception_takes_the_transaction_back(tmp_path: Path) -> None:
    """A block that raises leaves nothing in the file."""
    opened = database(tmp_path)
    with suppress(ZeroDivisionError), opened.transaction() as connection:
        connection.execute("INSERT INTO runs VALUES (2)")
        raise ZeroDivisionError
    assert use(opened) == [(1,)]


def test_nobody_is_waited_for(tmp_path: Path) -> None:
    """Where another process holds the lock, the answer comes at once."""
    opened = database(tmp_path)
    use(opened)
    held = lock(tmp_path / "history.lock")
    assert held is not None
    try:
        with pytest.raises(BusyHistoryError, match="in use by another process"):
            use(opened)
    finally:
        held.release()
    assert use(opened) == [(1,)]


def test_another_program_in_the_file_is_not_waited_for_either(tmp_path: Path) -> None:
    """A sqlite3 shell in a transaction makes it busy, at its beginning or at its end."""
    opened = database(tmp_path)
    use(opened)
    with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyHistoryError, match="in use by another program"):
            use(opened)
        with opened.transaction(writes=False) as connection:
            assert connection.execute("SELECT * FROM runs").fetchall() == [(1,)]
        other.execute("ROLLBACK")
        other.execute("BEGIN")
        other.execute("SELECT * FROM runs").fetchall()
        with pytest.raises(BusyHistoryError), opened.transaction() as connection:
            connection.execute("INSERT INTO runs VALUES (2)")
    assert use(opened) == [(1,)]


def test_a_lock_file_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    """Files deleted in the middle of a transaction harm nothing."""
    opened = database(tmp_path)
    with opened.transaction():
        (tmp_path / "history.lock").unlink()
    assert use(opened) == [(1,)]


@pytest.mark.parametrize(
    "content",
    [b"this is no database, but long enough to be one" * 100, b"SQLite format 3\0" + b"\xff" * 5000],
    ids=["no database", "a bad header"],
)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept under another name, byte for byte, with an error in the log that says which."""
    opened = database(tmp_path)
    for _ in range(2):  # twice in one second, by a clock that stands still
        (tmp_path / "history.db").write_bytes(content)
        with pytest.raises(DamagedHistoryError, match=r"it is kept as .*history\.db\.corrupt-20270115T080000Z"):
            use(opened)
    assert use(opened) == [(1,)]
    kept = sorted(tmp_path.glob("history.db.corrupt-*"))
    assert [path.name for path in kept] == [
        "history.db.corrupt-20270115T080000Z",
        "history.db.corrupt-20270115T080000Z-2",
    ]
    assert [path.read_bytes() for path in kept] == [content, content]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "history.db.corrupt-20270115T080000Z" in caplog.text


def test_what_belongs_to_a_damaged_file_goes_with_it(tmp_path: Path) -> None:
    """The write-ahead log of another program is never played into the new file."""
    opened = database(tmp_path, _MANY)
    use(opened)
    with closing(sqlite3.connect(tmp_path / "history.db")) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("INSERT INTO runs VALUES (1000, '')")
        other.commit()
        damage(tmp_path / "history.db")
        with pytest.raises(DamagedHistoryError):
            use(opened)
        kept = {path.name for path in tmp_path.glob("history.db*")}
    aside = "history.db.corrupt-20270115T080000Z"
    assert kept == {aside, f"{aside}-wal", f"{aside}-shm"}
    assert len(use(opened)) == 200


def test_a_page_that_is_damaged_is_found_when_it_is_read(tmp_path: Path) -> None:
    """Damage in the middle of the file, too, sets it aside, with what it holds."""
    opened = database(tmp_path, _MANY)
    use(opened)
    content = damage(tmp_path / "history.db")
    with pytest.raises(DamagedHistoryError):
        use(opened)
    assert (tmp_path / "history.db.corrupt-20270115T080000Z").read_bytes() == content


def test_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """The error names the file and says what to do, and not a byte changes."""
    use(database(tmp_path, _FIRST, _SECOND))
    before = (tmp_path / "history.db").read_bytes()
    with pytest.raises(NewerHistoryError, match=r"history\.db was written by a newer version.*upgrade"):
        use(database(tmp_path, _FIRST))
    assert (tmp_path / "history.db").read_bytes() == before


def test_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """What is in an older file is kept, and is what the newer version makes of it."""
    use(database(tmp_path, _FIRST))
    assert use(database(tmp_path, _FIRST, _SECOND)) == [(1, "new")]
    assert use(database(tmp_path, _FIRST, _SECOND)) == [(1, "new")]


def test_a_step_to_a_newer_version_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    """An error on the way leaves the file at the version before."""
    use(database(tmp_path, _FIRST))
    with pytest.raises(HistoryError):
        use(database(tmp_path, _FIRST, _BROKEN))
    assert use(database(tmp_path, _FIRST)) == [(1,)]


def test_a_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    """A file that another program made under this name stays unchanged."""
    with closing(sqlite3.connect(tmp_path / "history.db")) as other:
        other.execute("CREATE TABLE theirs (id)")
    before = (tmp_path / "history.db").read_bytes()
    with pytest.raises(HistoryError, match="database of another program"):
        use(database(tmp_path))
    assert (tmp_path / "history.db").read_bytes() == before


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A missing state directory and a folder in the file's place are told as they are."""
    with pytest.raises(HistoryError, match=r"history\.db cannot be locked: .*No such file"):
        use(database(tmp_path / "missing"))
    (tmp_path / "history.db").mkdir()
    with pytest.raises(HistoryError, match=r"history\.db cannot be used: .*no regular file"):
        use(database(tmp_path))


def test_whether_there_is_a_file_cannot_always_be_told(tmp_path: Path) -> None:
    """A name that the file system refuses is an error that says so, not a history that is empty."""
    opened = Database(tmp_path / ("x" * 300), clock=ManualClock(), schema=Schema(_FIRST))
    with pytest.raises(HistoryError, match=r"cannot be read: .*too long"):
        opened.exists()


def test_a_damaged_file_that_cannot_be_set_aside_stays(tmp_path: Path) -> None:
    """Then nothing is begun anew, and the error says both."""
    path = tmp_path / f"{'x' * 235}.db"
    path.write_bytes(b"no database" * 1000)
    opened = Database(path, clock=ManualClock(), schema=Schema(_FIRST))
    with pytest.raises(HistoryError, match=r"is damaged and cannot be set aside: .*too long"):
        use(opened)
    assert path.read_bytes() == b"no database" * 1000


def test_a_killed_process_leaves_what_was_committed(tmp_path: Path) -> None:
    """SIGKILL in the middle of a transaction takes that one back, and frees the lock."""
    opened = database(tmp_path, _MANY)
    use(opened)
    script = """
import os, pathlib, sys
from otel_job_measure.history.database import Database
from otel_job_measure.history.schema import Schema
from otel_job_measure.testing import ManualClock
from tests.support.two_users import ONLY_ROOT, M, two_users
opened = Database(pathlib.Path(sys.argv[1]), clock=ManualClock(), schema=Schema(sys.argv[2]))
with opened.transaction() as connection:
    connection.execute("PRAGMA cache_size = 2")  # so that changed pages reach the file at once
    connection.execute("UPDATE runs SET text = 'changed'")
    os.kill(os.getpid(), 9)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "history.db"), _MANY]
    killed = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert killed.returncode == -9, killed.stderr
    assert (tmp_path / "history.db-journal").stat().st_size > 4096
    assert {text for _, text in use(opened)} == {"0" * 500}
    assert not (tmp_path / "history.db-journal").exists()


def test_a_descriptor_that_is_the_apps_by_now_is_left_alone(tmp_path: Path) -> None:
    """An app may close what isn't its own, and get our number for a file of its own in the middle of a transaction."""
    opened = database(tmp_path)
    use(opened)
    status = (tmp_path / "history.lock").stat()
    with (tmp_path / "theirs").open("wb") as theirs:
        with opened.transaction():
            (ours,) = [
                int(fd.name)
                for fd in Path("/proc/self/fd").iterdir()
                if _file_of(int(fd.name)) == (status.st_dev, status.st_ino)
            ]
            os.dup2(theirs.fileno(), ours)
        assert os.write(ours, b"still open") == 10
        os.close(ours)
    assert use(opened) == [(1,)]


def test_a_path_may_hold_what_a_url_may_not(tmp_path: Path) -> None:
    """A state directory with question marks, per cent signs and spaces is one like any other."""
    folder = tmp_path / "a b?c#d%20e"
    folder.mkdir()
    assert use(database(folder)) == [(1,)]
    assert (folder / "history.db").exists()


@ONLY_ROOT
def test_a_file_that_this_user_may_not_read_is_told_as_such() -> None:
    """SQLite only says that it cannot open it."""
    with two_users() as place:
        folder = place / "theirs"
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                os.setresuid(M, M, M)
                use(database(folder))
                (folder / "history.db").chmod(0)
                with pytest.raises(HistoryError, match="this user may not read and write it"):
                    use(database(folder))
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
