"""Other users: what they could have planted in our place, and what root leaves in theirs."""

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


def give_to_owner(fd: int, folder: Path) -> None:
    """Lets what root has just made in another user's folder belong to that user, who could not use it otherwise.

    Args:
        fd: Its descriptor. A file with a second name is not given away: that could be anybody's.
        folder: Where it was made.
    """
    if os.geteuid() != 0 or (owner := folder.stat()).st_uid == 0:
        return
    status = os.fstat(fd)
    if status.st_uid == 0 and (stat.S_ISDIR(status.st_mode) or status.st_nlink == 1):
        os.fchown(fd, owner.st_uid, owner.st_gid)
