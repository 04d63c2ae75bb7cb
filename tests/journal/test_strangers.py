"""Folders that are another user's, and links that somebody has planted."""

import os
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import HistoryError
from otel_job_measure.history.history import History
from otel_job_measure.journal.locks import lock
from otel_job_measure.journal.segments import SegmentFile
from otel_job_measure.journal.statedir import StateDir

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
    """Who owns it can put anything in the place of what we make."""
    folder = tmp_path / "state" / name
    folder.mkdir(parents=True)
    give(folder, stranger)
    with pytest.raises(PermissionError, match="belongs to another user"):
        StateDir(tmp_path / "state").make()


@pytest.mark.parametrize("name", ["slots", "ready", "rejected"])
def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    """Whoever it belongs to: we never make one."""
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
    """In a folder that all may write, whoever comes first could send us anywhere."""
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
