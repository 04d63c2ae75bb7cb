"""Folders of another user, and links that another user has planted."""

import os
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.delivery.checkpoints import FileCheckpoints
from otel_job_measure.errors import HistoryError
from otel_job_measure.history.history import History
from otel_job_measure.journal.dead_letters import DeadLetterFiles, dead_letters, discard
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.segment import SegmentFile
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.history_reader import up_to_date
from otel_job_measure.settings import Settings
from tests.journal.support import IDENTITY, begin, finish, journal_in

SOMEBODY, SOMEBODY_ELSE = 54_321, 54_322


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> int:
    """Becomes another user than the one whose files these are, as far as our code can see; returns whose they are."""
    owner = os.geteuid() or SOMEBODY
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY_ELSE)
    return owner


def give(path: Path, owner: int) -> None:
    """Lets a file or a link belong to a user."""
    if path.lstat().st_uid != owner:
        os.chown(path, owner, owner, follow_symlinks=False)


@pytest.mark.parametrize("name", ["", "slots", "ready", "rejected"])
def test_a_folder_of_another_user_is_not_used(tmp_path: Path, stranger: int, name: str) -> None:
    """Its owner can replace the files in it."""
    folder = tmp_path / "state" / name
    folder.mkdir(parents=True)
    give(folder, stranger)
    with pytest.raises(PermissionError, match="belongs to another user"):
        StateDir(tmp_path / "state").make()


@pytest.mark.parametrize("name", ["slots", "ready", "rejected"])
def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    """Whatever its owner: the package never makes one."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / name).symlink_to(elsewhere)
    with pytest.raises(PermissionError, match="is a link"):
        StateDir(tmp_path / "state").make()
    assert list(elsewhere.iterdir()) == []


def test_the_state_directory_can_be_a_link_of_ones_own(tmp_path: Path) -> None:
    """People have their state on another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    StateDir(tmp_path / "state").make()
    assert (tmp_path / "disk" / "slots").is_dir()


def test_the_state_directory_cannot_be_a_link_of_another_user(tmp_path: Path, stranger: int) -> None:
    """In a folder that all users can write, another user can plant a link first."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    give(tmp_path / "state", stranger)
    with pytest.raises(PermissionError, match="is a link"):
        StateDir(tmp_path / "state").make()


def test_links_in_the_place_of_files_are_not_followed(tmp_path: Path) -> None:
    """Neither locks nor segments nor the history: what they lead to is not opened, and stays as it is."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"# otel-job-measure {}\nprecious\n")
    link = tmp_path / "history.db"
    link.symlink_to(victim)
    for attempt in (lambda: lock(link), lambda: SegmentFile.open(link)):
        with pytest.raises(OSError, match="symbolic links"):
            attempt()
    with pytest.raises(HistoryError, match="is a link"):
        History(link, retention_s=60, clock=SystemClock()).latest(limit=1)
    assert victim.read_bytes() == b"# otel-job-measure {}\nprecious\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave its files in another user's folder")
@pytest.mark.parametrize("is_there", [True, False])
def test_what_root_makes_in_a_users_folder_is_the_users(tmp_path: Path, *, is_there: bool) -> None:
    """Root can read and ship the runs of other users without taking their files away."""
    os.chown(tmp_path, SOMEBODY, SOMEBODY)
    if is_there:
        (tmp_path / "state").mkdir()
        os.chown(tmp_path / "state", SOMEBODY, SOMEBODY)
    state = StateDir(tmp_path / "state")
    state.make()
    journal = journal_in(state.root)
    finish(journal, begin(journal))
    DeadLetterFiles(state.rejected, IDENTITY._replace(destination="here")).put(b"first", "no")
    _, sizes = dead_letters(state)
    DeadLetterFiles(state.rejected, IDENTITY._replace(destination="here")).put(b"second", "no")
    assert discard(state, sizes) == 1
    FileCheckpoints(state.positions, "here").advance({"a": 1})
    up_to_date(Settings(state_dir=state.root))
    journal.close(delivered=False)
    made = [state.root, *state.root.rglob("*")]
    assert {"history.db", "history.lock", "adopt.lock", "shipped.json", "lock"} < {path.name for path in made}
    assert {path: path.stat().st_uid for path in made} == dict.fromkeys(made, SOMEBODY)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_with_a_second_name_is_not_given_away(tmp_path: Path) -> None:
    """A user could have put it there, in the hope that root makes it theirs."""
    secret = tmp_path / "secret"
    secret.touch(0o600)
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, SOMEBODY, SOMEBODY)
    (folder / "adopt.lock").hardlink_to(secret)
    taken = lock(folder / "adopt.lock")
    assert taken is not None
    taken.release()
    assert secret.stat().st_uid == 0
