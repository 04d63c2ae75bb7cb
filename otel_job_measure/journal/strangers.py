"""What another user could have planted in our place: folders that are theirs, and links to what is not ours."""

import os
import stat
from pathlib import Path


def refuse_strangers(path: Path, *, may_be_link: bool = False) -> None:
    """Makes sure that a folder is the user's own, or root's: who owns it decides what lies in it.

    Args:
        path: A folder that is there.
        may_be_link: Whether a link is fine that is the user's own, or root's.

    Raises:
        PermissionError: It is another user's, or a link.
    """
    status = path.lstat()
    is_link = stat.S_ISLNK(status.st_mode)
    if is_link and not (may_be_link and status.st_uid in {0, os.geteuid()}):
        msg = f"{path} is a link that somebody may have planted"
        raise PermissionError(msg)
    owner = path.stat().st_uid
    if os.geteuid() not in {0, owner} and owner != 0:
        msg = f"{path} belongs to another user"
        raise PermissionError(msg)


def refuse_link(path: Path) -> None:
    """Makes sure that a file is no link; one that isn't there is fine.

    Raises:
        PermissionError: It is one.
    """
    if path.is_symlink():
        msg = f"{path} is a link that somebody may have planted"
        raise PermissionError(msg)
