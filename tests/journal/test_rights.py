"""Which user decides what a path leads to."""

import os
from pathlib import Path

import pytest

from otel_job_measure.journal import rights
from otel_job_measure.journal.rights import owner_of

M = 54_321
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")


def give(path: Path) -> None:
    """Lets a folder or a link belong to M."""
    os.chown(path, M, M, follow_symlinks=False)


def test_a_path_of_roots_is_roots(tmp_path: Path) -> None:
    """Also if it is not there yet, leads over root's links, or never ends."""
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    for path in ("", "link", "link/state", "new/state", "ring/state", "link/../state"):
        assert owner_of(tmp_path / path) == 0


@pytest.mark.parametrize("path", ["theirs", "theirs/new", "theirs/roots", "theirs/roots/new", "link", "relative/roots"])
def test_a_folder_or_a_link_of_another_user_on_the_way_makes_it_theirs(tmp_path: Path, path: str) -> None:
    """The owner can exchange what lies below, whatever its owner."""
    (tmp_path / "theirs" / "roots").mkdir(parents=True)
    (tmp_path / "link").symlink_to("/")
    (tmp_path / "relative").symlink_to("theirs")
    give(tmp_path / "theirs")
    give(tmp_path / "link")
    assert owner_of(tmp_path / path) == M


def test_a_user_that_this_container_does_not_have_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a user namespace, folders of users outside have an owner whose rights no process here can take."""
    (tmp_path / "state").mkdir()
    give(tmp_path / "state")
    (tmp_path / "map").write_text("         0       1000          1\n")
    monkeypatch.setattr(rights, "_USERS_HERE", tmp_path / "map")
    assert owner_of(tmp_path / "state") == 0
    (tmp_path / "map").write_text("         0          0 4294967295\n")
    assert owner_of(tmp_path / "state") == M
