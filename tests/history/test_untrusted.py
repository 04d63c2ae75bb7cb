"""A history that another user has made harms no process that looks at it."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otel_job_measure.errors import HistoryError
from otel_job_measure.history.history import History
from otel_job_measure.history.rows import COLUMNS
from otel_job_measure.testing import ManualClock
from tests.history.support import LOST, NOW_NS, SECOND, Lines, chunk, history_in, uuids

_ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def history(tmp_path: Path) -> History:
    """A history with two runs."""
    made = history_in(tmp_path)
    both = Lines(uuid="a").start() + Lines(uuid="a").end() + Lines(uuid="b").start(NOW_NS + 1)
    made.fold([chunk(both + Lines(uuid="b").end(NOW_NS + 2, LOST) + Lines(uuid="b").end(NOW_NS + 9))])
    return made


def change(history: History, script: str) -> None:
    """Changes the file as its owner can."""
    with closing(sqlite3.connect(history.path)) as connection:
        connection.executescript(f"PRAGMA writable_schema = ON; {script}")


@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON segments BEGIN DELETE FROM runs; END", "the trigger 't'"),
        (f"CREATE TRIGGER t BEFORE INSERT ON runs BEGIN {_ENDLESS}; END", "the trigger 't'"),
        ("CREATE TABLE more (id)", "the table 'more'"),
        ("CREATE VIRTUAL TABLE more USING fts5 (text)", "the table 'more'"),
        ("CREATE INDEX more ON runs (hex(zeroblob(id)))", "the index 'more'"),
        ("CREATE INDEX more ON runs (id) WHERE length(hex(zeroblob(id))) > 1", "the index 'more'"),
        (f"DROP TABLE runs; CREATE VIEW runs AS {_ENDLESS}", "the index 'runs_by_end'"),
        (f"DROP TABLE segments; CREATE VIEW segments AS {_ENDLESS}", "the table 'segments'"),
        ("ALTER TABLE runs ADD COLUMN more AS (hex(zeroblob(100000000)))", "the table 'runs'"),
        ("ALTER TABLE runs ADD COLUMN more TEXT DEFAULT 'more'", "the table 'runs'"),
        (
            "UPDATE sqlite_schema SET sql = replace(sql, 'job TEXT', 'job TEXT CHECK (length(hex(zeroblob(9))) > 0)')",
            "the table 'alive'",
        ),
        (
            "UPDATE sqlite_schema SET sql = replace(sql, 'TEXT NOT NULL', 'TEXT') WHERE name = 'runs'",
            "the table 'runs'",
        ),
        (
            "ALTER TABLE runs RENAME COLUMN uuid TO job2; ALTER TABLE runs RENAME COLUMN job2 TO UUID",
            "the index 'runs_unsettled'",
        ),
        ("PRAGMA user_version = -3", "the version -3"),
        ("PRAGMA user_version = 1", "the index 'events_by_time'"),
        ("PRAGMA user_version = 3", "the index 'events_by_time'"),
        ("PRAGMA user_version = 0", "the version 0"),
    ],
)
def test_a_schema_that_is_not_ours_is_refused(history: History, script: str, what: str) -> None:
    """Nothing in the file is run; the error names what differs, and the file stays as it is."""
    change(history, script)
    content = history.path.read_bytes()
    for ask in (
        lambda: uuids(history_in(history.path.parent)),
        lambda: history.fold([chunk(Lines(uuid="c").start(), "two")]),
    ):
        with pytest.raises(HistoryError, match=rf"is not as this program makes it \({what} differs\).*move it away"):
            ask()
    assert history.path.read_bytes() == content
    assert history.path.exists()


def test_what_sqlite_says_of_a_file_is_safe_to_show(history: History, caplog: pytest.LogCaptureFixture) -> None:
    """It repeats names in the file, and a terminal would act on them."""
    change(
        history, "INSERT INTO sqlite_schema VALUES ('table', char(27) || ']52;c;aGk=' || char(7), 'x', 2, 'CREATE NO')"
    )
    assert uuids(history_in(history.path.parent)) == []
    assert "]52;c" in caplog.text
    assert "\x1b" not in caplog.text
    assert "\x07" not in caplog.text


def test_ten_thousand_foreign_tables_are_refused(history: History) -> None:
    """However many there are, a hundred are looked at."""
    change(history, "BEGIN;" + "".join(f"CREATE TABLE t{n} (id);" for n in range(10_000)) + "COMMIT")
    with pytest.raises(HistoryError, match="is not as this program makes it"):
        uuids(history_in(history.path.parent))


@pytest.mark.parametrize(
    "script", [f'DROP VIEW "scheduling-job"; CREATE VIEW "scheduling-job" AS {_ENDLESS}', "ANALYZE"]
)
def test_views_and_statistics_are_the_owners(history: History, script: str) -> None:
    """The package reads no view, so an endless one does no harm, and users may add views."""
    change(history, script)
    history.fold([chunk(Lines(uuid="c").start(NOW_NS + 2 * SECOND), "two")])
    assert uuids(history_in(history.path.parent)) == ["c", "b", "a"]


def test_a_better_comment_changes_no_schema(history: History) -> None:
    """Only what SQLite runs is compared."""
    change(history, "UPDATE sqlite_schema SET sql = replace(sql, '-- the further', '-- (* the other')")
    assert uuids(history_in(history.path.parent)) == ["b", "a"]


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_an_older_schema_is_compared_before_it_is_upgraded(tmp_path: Path, version: int) -> None:
    """An upgrade writes to all rows, so a trigger would run for each."""
    folder = Path(__file__).parents[2] / "otel_job_measure" / "history"
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((folder / "former" / f"{version or 1}.sql").read_text())
        connection.executescript(f"PRAGMA application_id = {0x6F6A6D68}; PRAGMA user_version = {version}")
    before = path.read_bytes()
    if version:
        assert uuids(history_in(tmp_path)) == []
        path.write_bytes(before)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER t AFTER UPDATE ON runs BEGIN DELETE FROM runs; END")
    with pytest.raises(HistoryError, match="is not as this program makes it"):
        uuids(history_in(tmp_path))


class _Clock(ManualClock):
    """A clock on which a second passes between two looks."""

    def monotonic_ns(self) -> int:
        self.monotonic += SECOND
        return self.monotonic


def test_sqlite_is_interrupted_at_a_deadline(history: History) -> None:
    """However long a statement would take, the transaction ends with an error."""
    opened = history_in(history.path.parent, _Clock(wall=NOW_NS))._database
    with pytest.raises(HistoryError, match="SQLite takes too long with it"), opened.transaction() as connection:
        connection.execute(_ENDLESS)


def test_sqlite_is_interrupted_by_a_signal(history: History) -> None:
    """Ctrl-C ends a statement that SQLite is in, as KeyboardInterrupt."""

    class Interrupting(ManualClock):
        def monotonic_ns(self) -> int:
            self.monotonic += 1
            if self.monotonic == 10:
                os.kill(os.getpid(), signal.SIGINT)
            return self.monotonic

    opened = history_in(history.path.parent, Interrupting(wall=NOW_NS))._database
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), opened.transaction() as connection:
            connection.execute(_ENDLESS)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_process_in_the_middle_of_sqlite(history: History) -> None:
    """As a user has it: the signal comes while no line of Python runs."""
    script = f"""
import pathlib, sys
from tests.history.support import history_in
with history_in(pathlib.Path(sys.argv[1]))._database.transaction() as connection:
    print("ready", flush=True)
    connection.execute({_ENDLESS!r})
"""
    command = [sys.executable, "-c", script, str(history.path.parent)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT, errors
        assert errors.rstrip().endswith("KeyboardInterrupt")


def _plant(path: Path, kind: str, target: Path) -> None:
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(target)
    elif kind == "broken link":
        path.symlink_to(target.with_name("nothing"))
    elif kind == "second name":
        path.hardlink_to(target)
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(target.read_bytes())
        os.chown(path, 12345, 12345)
        path.chmod(0o2770 if path.is_dir() else 0o660)


@pytest.mark.parametrize("suffix", ["", "-journal", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["link", "broken link", "second name", "FIFO", "folder", "another user's"])
def test_a_file_that_a_stranger_planted_is_refused(tmp_path: Path, history: History, suffix: str, kind: str) -> None:
    """The database and the files beside it must be plain files of the expected owner; the error names the file."""
    if kind == "another user's" and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    target = tmp_path / "target"
    target.write_bytes(history.path.read_bytes())
    _plant(tmp_path / f"history.db{suffix}", kind, target)
    for ask in (lambda: uuids(history_in(tmp_path)), lambda: history.fold([chunk(Lines(uuid="c").start(), "two")])):
        with pytest.raises(HistoryError, match=rf"history\.db{suffix} (is|has|belongs)"):
            ask()
    assert target.read_bytes()


def test_a_journal_that_names_another_file_deletes_nothing(tmp_path: Path, history: History) -> None:
    """SQLite deletes the super-journal that a hot journal names."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    name = os.fsencode(victim)
    journal = bytearray(512)
    journal[:8] = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
    journal[20:28] = (512).to_bytes(4) + (4096).to_bytes(4)
    end = (1024).to_bytes(4) + name + len(name).to_bytes(4) + sum(name).to_bytes(4) + bytes(journal[:8])
    (tmp_path / "history.db-journal").write_bytes(bytes(journal) + end)
    with pytest.raises(HistoryError, match="names another file, which SQLite would delete"):
        uuids(history_in(tmp_path))
    assert victim.exists()


def _values(name: str) -> Iterator[str]:
    yield from ("'text'", "x'ff00'", "-1", "9e999", "1.5", "'two\nlines'", "CAST(x'ff' AS TEXT)")
    if name in {"tags", "lost_values"}:
        yield from ("'[]'", "'{'", "'{\"a\": 1}'", f"'{'[' * 100_000}'", '\'{"a\\nb": "c"}\'')


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "id"])
def test_a_value_of_a_wrong_type_ends_no_question(tmp_path: Path, history: History, name: str) -> None:
    """A row that this package cannot have written is left out, for readers and for the ingest."""
    del history
    for number, value in enumerate(_values(name)):
        path = tmp_path / str(number)
        fresh = history_in(path)
        fresh.fold([chunk(Lines(uuid="a").start() + Lines(uuid="b").start(NOW_NS + 1))])
        with closing(sqlite3.connect(fresh.path)) as connection:
            connection.execute(f"UPDATE OR IGNORE runs SET \"{name}\" = {value} WHERE uuid = 'b'")  # noqa: S608 - from above
            connection.execute("UPDATE runs SET lost_ns = 1 WHERE uuid = 'b' AND lost_values IS NOT NULL")
            connection.commit()
        assert "a" in uuids(fresh)
        assert b'uuid="a"' in b"".join(fresh.points())
        fresh.fold([chunk(Lines(uuid="b").start(NOW_NS + 1) + Lines(uuid="b").end(), "two")])
        assert "a" in uuids(fresh)
        for line in b"".join(fresh.points()).split(b"\n"):
            assert line.startswith(b"scheduling-job") or not line


@pytest.mark.parametrize("value", ["zeroblob(2000000)", "hex(zeroblob(1000000))"])
def test_a_value_that_is_too_long_is_an_error(history: History, value: str) -> None:
    """The package never writes values of over a mebibyte, and takes no memory for them."""
    change(history, f"UPDATE runs SET error_message = {value} WHERE uuid = 'a'")  # noqa: S608 - from above
    with pytest.raises(HistoryError, match=r"cannot be used: .*too big"):
        uuids(history_in(history.path.parent))


def test_a_longer_line_than_a_row_can_hold_is_left_out(history: History) -> None:
    """It would else fail again and again, and hold back all runs that come with it."""
    long = Lines(uuid="long", job="x" * 70_000).start().replace(b"uuid", b"x" * 2_000_000 + b"=1,uuid")
    history.fold([chunk(long + Lines(uuid="c").start(NOW_NS + 5), "two")])
    assert uuids(history) == ["c", "b", "a"]


@pytest.mark.parametrize("values", ["'x', 'text', 'text'", "x'ff', 1.5, x'ff'", "1, 1, 1"])
def test_notes_of_wrong_types_end_nothing(history: History, values: str) -> None:
    """A note that is not as this package makes it does not count."""
    change(history, f"INSERT INTO segments VALUES ({values}); UPDATE last_runs SET at_ns = 'x', uuid = 5")  # noqa: S608 - from above
    change(history, "INSERT INTO pruning VALUES ('ended_ns', 'x', 'y')")
    fresh = history_in(history.path.parent)
    assert {type(at) for at in fresh.positions().values()} == {int}
    fresh.fold([chunk(Lines(uuid="c").start(NOW_NS + 5), "two")])
    assert "c" in uuids(fresh)


def test_a_sparse_file_of_a_hundred_gigabytes_is_no_burden(history: History) -> None:
    """SQLite reads what it needs."""
    os.truncate(history.path, 100 * 1024**3)
    assert uuids(history_in(history.path.parent)) == ["b", "a"]


def test_pages_of_another_size_are_fine(history: History) -> None:
    """The owner may have vacuumed the file."""
    change(history, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 65536; VACUUM")
    assert uuids(history_in(history.path.parent)) == ["b", "a"]


@pytest.mark.parametrize("seed", range(20))
def test_random_damage_is_an_error_or_none(tmp_path: Path, history: History, seed: int) -> None:
    """Whatever bytes are wrong, a question is answered, or it is a `HistoryError`."""
    chance = random.Random(seed)
    content = bytearray(history.path.read_bytes())
    for _ in range(chance.choice((1, 10, 300))):
        content[chance.randrange(len(content))] = chance.randrange(256)
    for path in tmp_path.glob("history.db*"):
        path.unlink()
    history.path.write_bytes(content)
    fresh = history_in(tmp_path)
    for ask in (
        lambda: uuids(fresh),
        lambda: list(fresh.points()),
        fresh.positions,
        lambda: fresh.fold([chunk(Lines(uuid="c").start(NOW_NS + 5), "two")]),
    ):
        try:
            ask()
        except HistoryError as error:
            json.dumps(str(error))


def test_a_write_ahead_log_of_another_user_maps_no_memory(tmp_path: Path, history: History) -> None:
    """Its owner could cut the file that is mapped, and the process would die of SIGBUS."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    change(history, "PRAGMA journal_mode = WAL")
    for path in (tmp_path, *tmp_path.glob("history*")):
        os.chown(path, 12345, 12345)
        path.chmod(0o2770 if path.is_dir() else 0o660)
    opened = history_in(tmp_path)._database
    with opened.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
        assert "history.db-shm" not in Path("/proc/self/maps").read_text()


def test_a_text_that_is_no_utf_8_has_a_sign_in_its_place(history: History) -> None:
    """Another program has written it; each question is answered all the same."""
    change(history, "UPDATE runs SET host = CAST(X'61FF' AS TEXT)")
    assert {run.host for run in history_in(history.path.parent).latest(limit=9)} == {"a\ufffd"}
