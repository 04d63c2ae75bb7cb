"""A file system of a scenario's own, that no other process sees and that is gone with the process in it."""

import shlex
import subprocess
import sys
from pathlib import Path

from soak.asked import MODULE, Asked
from soak.fault import NotHereError
from soak.ground import Ground

_MOUNT = "mount -t tmpfs -o size={size},mode=0700 tmpfs {folder}"


def on_tmpfs(ground: Ground, size: str, prepare: str = ":", **variables: str) -> Asked:
    """Starts the app with its state directory on a small tmpfs.

    Args:
        ground: Where.
        size: How large it is, as mount takes it.
        prepare: A shell command that is run before the app; `$STATE` is the folder.
        variables: More of the app's environment.

    Raises:
        NotHereError: This user may not mount.
    """
    unshare = _unshare()
    ground.state_dir.mkdir(mode=0o700)
    folder = shlex.quote(str(ground.state_dir))
    script = (
        f"STATE={folder}; {_MOUNT.format(size=size, folder=folder)} && {prepare}; exec {sys.executable} -m {MODULE}"
    )
    return Asked(ground, *unshare, "sh", "-c", script, **variables)


def inside(asked: Asked, path: Path) -> Path:
    """Returns a path as it is in the namespace of a process."""
    return Path(f"/proc/{asked.app.pid}/root{path}")


def without_a_name() -> list[str]:
    """Returns the prefix that runs a command as a user without an account, a home or any right.

    Raises:
        NotHereError: This user may not do that.
    """
    words = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    if not _works([*words, "true"]):
        raise NotHereError("this user may not become another one")
    return words


def own_pids() -> list[str]:
    """Returns what gives a command process ids of its own, as a container has them; it is killed with its parent.

    Raises:
        NotHereError: This user may not do that.
    """
    return _working("unshare", "--pid", "--fork", "--kill-child")


def other_boot(boot_id: Path) -> list[str]:
    """Returns what gives a command another boot of the machine.

    Args:
        boot_id: A file with the id of that boot.

    Raises:
        NotHereError: This user may not do that.
    """
    bind = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
    return _working("unshare", "--mount", "sh", "-c", bind, str(boot_id))


def _working(*words: str) -> list[str]:
    if not _works([*words, "true"]):
        raise NotHereError(f"this user may not run {' '.join(words[:2])}")
    return [*words]


def _unshare() -> list[str]:
    """Returns what gives a command mounts of its own: root can, others where the system lets them be root in there."""
    for options in ("--mount", "--user --map-root-user --mount"):
        words = ["unshare", *options.split()]
        if _works([*words, "sh", "-c", "mount -t tmpfs tmpfs /tmp"]):
            return words
    raise NotHereError("this user may not mount a file system of its own")


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
