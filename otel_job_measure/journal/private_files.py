"""Files and folders of the state directory: for their owner alone, or for the group of a shared one.

A state directory is shared if its owner made it group-writable with the setgid bit (`chmod 2770`). Then files have mode
0660 and folders 2770, and any process of the group can use what another one made. Everything else has 0600 and 0700.
"""

import contextlib
import os
import stat
from pathlib import Path

_SHARED = stat.S_ISGID | stat.S_IWGRP


def open_private(path: Path, flags: int) -> int:
    """Opens a file, and creates it with `O_CREAT`, for its owner or for the group, whatever the umask."""
    if not flags & os.O_CREAT:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    mode = 0o660 if _is_shared(path.parent.stat()) else 0o600
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        _give_to_owner(fd, path.parent, mode)
    except OSError:
        os.close(fd)
        raise
    return fd


def make_folder(folder: Path, *, is_root: bool = False) -> None:
    """Makes a folder and those above it; one below a shared state directory is shared too."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    mode = 0o2770 if not is_root and _is_shared(folder.parent.stat()) else 0o700
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _give_to_owner(fd, folder.parent, mode)
    finally:
        os.close(fd)


def refuse_strangers(folder: Path, *, may_be_link: bool = False) -> None:
    """Makes sure that a folder is the user's own, root's, or shared with a group of this process.

    The owner of a folder decides what lies in it.
    """
    link = folder.lstat()
    if stat.S_ISLNK(link.st_mode) and not (may_be_link and link.st_uid in {0, os.geteuid()}):
        raise PermissionError(f"{folder} is a link that another user may have planted")
    status = folder.stat()
    if os.geteuid() in {0, status.st_uid} or status.st_uid == 0:
        return
    is_of_our_group = status.st_gid in {os.getegid(), *os.getgroups()}
    if not (_is_shared(status) and is_of_our_group and not status.st_mode & stat.S_IWOTH):
        raise PermissionError(f"{folder} belongs to another user")


def refuse_link(path: Path) -> None:
    """Makes sure that a file is no link; a missing one is fine."""
    if path.is_symlink():
        raise PermissionError(f"{path} is a link that another user may have planted")


def touch(fd: int, time_ns: int | None = None) -> None:
    """Sets a file's modification time, in ns; only the present one can be set in a file of another user."""
    try:
        if time_ns is not None:
            os.utime(fd, ns=(time_ns, time_ns))
            return
    except PermissionError:
        pass
    with contextlib.suppress(PermissionError):
        os.utime(fd)


def _is_shared(status: os.stat_result) -> bool:
    return status.st_mode & _SHARED == _SHARED


def _give_to_owner(fd: int, folder: Path, mode: int) -> None:
    """Sets a new file's mode, and gives it to the folder's owner if root has made it: they could not use it otherwise.

    A file with a second name is not given away: it could be a file of any user.
    """
    status = os.fstat(fd)
    if stat.S_IMODE(status.st_mode) != mode:
        with contextlib.suppress(PermissionError):  # another user's file, in a shared folder
            os.fchmod(fd, mode)
    if os.geteuid() != 0 or status.st_uid != 0 or (owner := folder.stat()).st_uid == 0:
        return
    if stat.S_ISDIR(status.st_mode) or status.st_nlink == 1:
        os.fchown(fd, owner.st_uid, owner.st_gid)
        os.fchmod(fd, mode)  # a change of the owner may have taken the setgid bit away
