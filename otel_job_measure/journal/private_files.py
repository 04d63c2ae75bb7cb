"""Files and folders of the state directory: for their owner alone, or for the group of a shared one.

A state directory is shared if its owner made it group-writable with the setgid bit (`chmod 2770`). Then files have mode
0660 and folders 2770, and any process of the group can use what another one made. Everything else has 0600 and 0700.

Another user can plant something in the place of a file: a link, a pipe that blocks, a device without an end. So every
file of the state directory is opened by `open_private`, which takes only regular files of this user, root or the group.
"""

import contextlib
import os
import stat
from pathlib import Path

_SHARED = stat.S_ISGID | stat.S_IWGRP
_OF_GROUP = stat.S_IRGRP | stat.S_IWGRP
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_private(path: Path | str, flags: int) -> int:
    """Opens a regular file, and creates it with `O_CREAT`, for its owner or for the group, whatever the umask.

    It raises an `OSError` for a link, a pipe, a device, a folder and for the file of another user.
    """
    if not flags & os.O_CREAT:
        fd = os.open(path, flags | _SAFELY)
        try:
            _check_file(path, os.fstat(fd))
        except OSError:
            os.close(fd)
            raise
        return fd
    mode = 0o660 if _is_shared(Path(path).parent.stat()) else 0o600
    fd = os.open(path, flags | _SAFELY, mode)
    try:
        _check_file(path, os.fstat(fd))
        _set_mode(fd, mode)
    except OSError:
        os.close(fd)
        raise
    return fd


def read_private(path: Path, most: int) -> bytes:
    """Returns the content of a regular file; raises an `OSError` if it has more bytes than `most`."""
    with os.fdopen(open_private(path, os.O_RDONLY), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"{path} has more than {most} bytes, which this package never writes")
    return data


def replace_private(path: Path, text: str) -> None:
    """Replaces a file as a whole: readers see the old content or the new one, and a full disk leaves the old one."""
    temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
            file.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def names_in(folder: Path) -> list[str]:
    """Returns the names in a folder that can be this package's, in printed ASCII; raises an `OSError` for a link."""
    fd = os.open(folder, _FOLDER)
    try:
        return [name for name in os.listdir(fd) if name.isascii() and name.isprintable() and " " not in name]  # noqa: PTH208 - of a descriptor
    finally:
        os.close(fd)


def make_folder(folder: Path, *, is_root: bool = False) -> None:
    """Makes a folder and those above it; one below a shared state directory is shared too."""
    try:
        _make(folder, 0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    mode = 0o2770 if not is_root and _is_shared(folder.parent.stat()) else 0o700
    fd = os.open(folder, _FOLDER)
    try:
        _set_mode(fd, mode)
    finally:
        os.close(fd)


def refuse_strangers(folder: Path, *, may_be_link: bool = False) -> None:
    """Makes sure that a folder is the user's own, root's, or shared with a group of this process.

    The owner of a folder decides what lies in it, and so does every user who can write it.
    """
    link = folder.lstat()
    if stat.S_ISLNK(link.st_mode) and not (may_be_link and link.st_uid in {0, os.geteuid()}):
        raise PermissionError(f"{folder} is a link that another user may have planted")
    status = folder.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{folder} is not a folder")
    if status.st_mode & stat.S_IWOTH:
        raise PermissionError(
            f"every user can write {folder}, and so replace what lies in it: use a folder in it, or share it with a "
            "group (chmod 2770)"
        )
    if status.st_uid in {0, os.geteuid()}:
        return
    is_of_our_group = status.st_gid in {os.getegid(), *os.getgroups()}
    if not (_is_shared(status) and is_of_our_group):
        raise PermissionError(f"{folder} belongs to another user")


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


def _make(folder: Path, mode: int) -> None:
    """Makes a folder, and those above it for all users to look into: a daemon's umask would let them write there."""
    try:
        folder.mkdir(mode=mode)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            _make(folder.parent, 0o755)
        folder.mkdir(mode=mode)


def _check_file(path: Path | str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PermissionError(f"{path} is no regular file; another user may have planted it")
    if status.st_nlink > 1:
        raise PermissionError(f"{path} has a second name, so it may be another file, which another user has planted")
    if status.st_uid not in {0, os.geteuid()} and status.st_mode & _OF_GROUP != _OF_GROUP:
        raise PermissionError(f"{path} belongs to another user")


def _is_shared(status: os.stat_result) -> bool:
    return status.st_mode & _SHARED == _SHARED


def _set_mode(fd: int, mode: int) -> None:
    if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        with contextlib.suppress(PermissionError):  # another user's file, in a shared folder
            os.fchmod(fd, mode)
