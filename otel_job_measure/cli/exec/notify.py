"""Relays what the command tells systemd through NOTIFY_SOCKET.

systemd takes such messages from the main process of a service, which is the wrapper. So the command gets a socket of
the wrapper's. One message is never handed on: that another process is the main one. systemd would then take the end of
the command for the end of the service, and end the wrapper before it has recorded the run.
"""

import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

VARIABLE: Final = b"NOTIFY_SOCKET"
_MAIN_PROCESS: Final = b"MAINPID"
"""How MAINPID, MAINPIDFDID and MAINPIDFD begin."""
_MOST: Final = 65_536
_INT: Final = 4
_ROOM: Final = socket.CMSG_SPACE(253 * _INT) + socket.CMSG_SPACE(3 * _INT)
"""The kernel takes 253 descriptors in one message; the sender's ids come with them."""
_FINISH_S: Final = 5.0


class Relay:
    """A socket for the command, and the thread that hands on what comes there.

    The constructor raises `OSError` if there can be no socket. Start it after the last fork.
    """

    def __init__(self, target: bytes) -> None:
        self._target = b"\0" + target[1:] if target.startswith(b"@") else target
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(b"")  # the kernel chooses an abstract name, which other users and folders reach
        self.variables = {VARIABLE: b"@" + self._socket.getsockname()[1:]}
        self._own_group = _control_group("self")
        self._command = 0
        self._thread = threading.Thread(target=self._hand_on, name="exec-notify", daemon=True)

    def start(self, command: int) -> None:
        """Begins to hand on the messages of a command and of the other processes of its service."""
        self._command = command
        self._thread.start()

    def finish(self) -> None:
        """Hands on what has come, and takes no more."""
        with suppress(OSError, RuntimeError):
            self._socket.shutdown(socket.SHUT_RD)
            self._thread.join(_FINISH_S)

    def _hand_on(self) -> None:
        while True:
            data, ancillary, flags, _ = self._socket.recvmsg(_MOST, _ROOM, socket.MSG_CMSG_CLOEXEC)
            if not data and not ancillary:  # shut down; an empty message still has its sender
                return
            sender, user, descriptors = _parts(ancillary)
            try:
                if not flags & socket.MSG_TRUNC and self._is_of_service(sender, user):
                    with suppress(OSError):  # systemd has no ear for it
                        self._send(data, descriptors)
            finally:
                for descriptor in descriptors:  # a barrier lasts until all of its descriptors are closed
                    os.close(descriptor)

    def _send(self, data: bytes, descriptors: Sequence[int]) -> None:
        lines = data.split(b"\n")
        kept = [line for line in lines if not line.startswith(_MAIN_PROCESS)]
        if not any(kept):
            return
        if any(line.startswith(b"MAINPIDFD=") for line in lines):
            descriptors = ()
        rights = b"".join(descriptor.to_bytes(_INT, sys.byteorder) for descriptor in descriptors)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.sendmsg([b"\n".join(kept)], ancillary, 0, self._target)

    def _is_of_service(self, sender: int, user: int) -> bool:
        """Returns whether systemd would count a process to the service: anyone can reach the socket.

        Of a process that has ended already, as `systemd-notify` does at once, only the user is known.
        """
        if sender == self._command:
            return True
        group = _control_group(str(sender))
        return group.startswith(self._own_group) if group else user in {0, os.getuid(), os.geteuid()}


def relay(environment: Mapping[bytes, bytes]) -> Relay | None:
    """Returns a relay to the socket that an environment names; None if it is of another kind, or cannot be relayed."""
    target = environment.get(VARIABLE, b"")
    if target[:1] not in (b"/", b"@"):
        return None
    try:
        return Relay(target)
    except OSError:
        return None


def _parts(ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, int, list[int]]:
    """Returns a message's sender, the sender's user, and its descriptors."""
    sender, user = 0, -1
    descriptors: list[int] = []
    for _, kind, data in ancillary:
        numbers = [int.from_bytes(data[at : at + _INT], sys.byteorder) for at in range(0, len(data), _INT)]
        if kind == socket.SCM_RIGHTS:
            descriptors += numbers
        elif kind == socket.SCM_CREDENTIALS:
            sender, user = numbers[:2]
    return sender, user, descriptors


def _control_group(process: str) -> str:
    """Returns the control group by which systemd knows the service of a process; an empty string if it is unknown."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "name=systemd"):
                return f"{path.rstrip('/')}/"
    return ""
