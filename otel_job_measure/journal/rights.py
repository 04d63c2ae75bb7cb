"""With whose rights a process works in a state directory.

Whoever can write a folder decides what the names in it lead to. So a process of root works in another user's state
directory with that user's rights, or not at all: a command takes the owner's rights for all that it does, and an app,
which cannot change its rights without changing those of its jobs, does not use the directory.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_ROOT = 0
_MOST_STEPS = 1000
"""More steps than any path has; links can lead in a ring."""


class Rights(NamedTuple):
    """The user and the groups whose rights a process has."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    @classmethod
    def of_this_process(cls) -> "Rights":
        """Returns the rights that this process has now."""
        return cls(os.geteuid(), os.getegid(), tuple(os.getgroups()))

    @classmethod
    def of_user(cls, uid: int) -> "Rights":
        """Returns the rights that a user has; one without an entry has a group of the same number."""
        import pwd  # noqa: PLC0415 - only for root in another user's state directory

        try:
            user = pwd.getpwuid(uid)
        except KeyError:
            return cls(uid, uid, (uid,))
        return cls(uid, user.pw_gid, tuple(os.getgrouplist(user.pw_name, user.pw_gid)))

    def take(self) -> None:
        """Gives a process of root these rights; its real user id stays root's, so it can return and send signals."""
        if self == Rights.of_this_process():
            return
        os.seteuid(_ROOT)  # only root may change the groups
        os.setgroups(self.groups)
        os.setegid(self.gid)
        os.seteuid(self.uid)


def owner_of(path: Path) -> int:
    """Returns the id of the user who decides what an absolute path leads to.

    That is the owner of the first link on the way that is not root's, else the owner of the folder itself, or of the
    nearest one above it that exists.
    """
    return next((uid for uid in _owners(path) if uid != _ROOT), _ROOT)


def refuse_as_root(path: Path) -> None:
    """Makes sure that this process is not one of root in a folder of another user."""
    if os.geteuid() == _ROOT and (owner := owner_of(path)) != _ROOT:
        raise PermissionError(f"{path} belongs to user {owner}, and a process of root uses only folders of root")


def _owners(path: Path) -> Iterator[int]:
    """Yields the owners of the links on a path, then the owner of the nearest folder that exists."""
    here, left = Path(path.anchor), [*reversed(path.parts[1:])]
    for _ in range(_MOST_STEPS):
        if not left:
            break
        there = here / left.pop()
        try:
            status = there.lstat()
            if not stat.S_ISLNK(status.st_mode):
                here = there
                continue
            yield status.st_uid
            target = there.readlink()
        except OSError:
            break
        if target.is_absolute():
            here, target = Path(target.anchor), target.relative_to(target.anchor)
        left += reversed(target.parts)
    yield here.lstat().st_uid
