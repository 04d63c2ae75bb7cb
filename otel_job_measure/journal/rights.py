"""With whose rights a process works in a state directory.

The owner of a folder decides what the names in it lead to. So a process of root works in another user's state directory
with that user's rights, or not at all: a command takes the owner's rights for all that it does, and an app, which
cannot change its rights without changing those of its jobs, does not use the directory. A directory below a folder of
another user counts as that user's: the user can exchange it at any moment.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_ROOT = 0
_MOST_STEPS = 5000
"""More steps than any path has; links can lead in a ring."""
_USERS_HERE = Path("/proc/self/uid_map")
"""The users of this container, as lines of three numbers: the first one here, the same one outside, how many."""


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
    """Returns the id of the user who controls what an absolute path leads to.

    That is the first owner, other than root, of a folder or a link on the way to it. A folder that is not there yet
    will belong to the owner of the one above.
    """
    return next((uid for uid in _owners(path) if uid != _ROOT and _is_user_here(uid)), _ROOT)


def whose_rights() -> str:
    """Returns whose rights this process has, for the reason why something failed, if they are not those of its user."""
    return "" if os.geteuid() == os.getuid() else f"; this process has the rights of user {os.geteuid()} there"


def refuse_as_root(path: Path) -> None:
    """Makes sure that this process is not one of root in a folder of another user."""
    if os.geteuid() == _ROOT and (owner := owner_of(path)) != _ROOT:
        raise PermissionError(
            f"{path}, or a folder or link on the way to it, belongs to user {owner}, and a process of root uses only "
            "folders of root"
        )


def _owners(path: Path) -> Iterator[int]:
    """Yields the owners of the folders and links on a path, without `/`: its owner decides about everything anyway."""
    here, left = Path(path.anchor), [*reversed(path.parts[1:])]
    for _ in range(_MOST_STEPS):
        if not left:
            return
        there = here / left.pop()
        try:
            status = there.lstat()
            target = there.readlink() if stat.S_ISLNK(status.st_mode) else None
        except OSError:
            return
        yield status.st_uid
        if target is None:
            here = there
            continue
        if target.is_absolute():
            here, target = Path(target.anchor), target.relative_to(target.anchor)
        left += reversed(target.parts)


def _is_user_here(uid: int) -> bool:
    """Returns whether a user exists in this container; the owners of files from outside may not."""
    with suppress(OSError, ValueError):
        ranges = [line.split() for line in _USERS_HERE.read_text().splitlines()]
        return any(int(first) <= uid < int(first) + int(count) for first, _, count in ranges)
    return True
