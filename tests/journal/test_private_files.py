"""Folders of another user, and links that another user has planted."""

import os
import stat
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import HistoryError
from otel_job_measure.history.history import History
from otel_job_measure.journal.file_lock import lock
from otel_job_measure.journal.private_files import open_private, read_private
from otel_job_measure.journal.segment import SegmentFile
from otel_job_measure.journal.state_dir import StateDir

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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
@pytest.mark.parametrize("place", ["state", "state/below/it", "state-link", "link/state", "state/of-root"])
def test_an_app_of_root_does_not_use_a_folder_of_another_user(tmp_path: Path, place: str) -> None:
    """It could not take that user's rights without taking them in its jobs too; nothing is made or followed."""
    (tmp_path / "state" / "of-root").mkdir(parents=True)
    (tmp_path / "roots").mkdir()
    (tmp_path / "state-link").symlink_to(tmp_path / "roots")
    (tmp_path / "link").symlink_to(tmp_path)
    for path in ("state", "state-link", "link"):
        os.chown(tmp_path / path, SOMEBODY, SOMEBODY, follow_symlinks=False)
    for attempt in (StateDir(tmp_path / place).make, StateDir(tmp_path / place).check_usable):
        with pytest.raises(PermissionError, match="belongs to user 54321"):
            attempt()
    assert not list((tmp_path / "state" / "of-root").iterdir())
    assert not list((tmp_path / "roots").iterdir())


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "device", "second name"])
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    """A pipe would block, a device has no end, and a second name may be that of a file of root's."""
    path = tmp_path / "ready-0.lp"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("/dev/null")
        case "second name":
            (tmp_path / "first").write_text("as it was")
            (tmp_path / "first").chmod(0o640)
            path.hardlink_to(tmp_path / "first")
        case _:
            path = Path("/dev/zero")
    for flags in (os.O_RDONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_WRONLY | os.O_APPEND):
        with pytest.raises(OSError, match=r"no regular file|directory|symbolic|No such device|second"):
            open_private(path, flags)
    if kind == "second name":
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A sparse file has any size without taking room."""
    path = tmp_path / "shipped.json"
    with path.open("wb") as file:
        file.truncate(8 * 1024**3)
    with pytest.raises(OSError, match="has more than 100 bytes"):
        read_private(path, 100)
    with pytest.raises(OSError, match="more than a segment ever has"):
        SegmentFile.open(path)


def test_no_umask_opens_a_folder_to_others(tmp_path: Path) -> None:
    """Daemons set the umask to 0: other users could then write the folders above, and exchange the state directory."""
    before = os.umask(0)
    try:
        StateDir(tmp_path / "a" / "b" / "state").make()
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    assert modes["a"] == modes["a/b"] == 0o755
    assert {mode for name, mode in modes.items() if name.startswith("a/b/state")} == {0o700}
