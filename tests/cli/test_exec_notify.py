"""`exec` as the main process of a service: its command's messages reach systemd, in the wrapper's name."""

import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.exec_ import EXEC, line, points, running

# Sends each word as one message, with the read end of a pipe where a word asks for a descriptor.
TELL = """
import os, socket, sys
target = os.environ["NOTIFY_SOCKET"]
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.connect("\\0" + target[1:] if target[0] == "@" else target)
for word in sys.argv[1:]:
    word = word.replace("=PID", f"={os.getpid()}")
    if "FDSTORE=1" in word or "BARRIER=1" in word or "FD=1" in word:
        reader, writer = os.pipe()
        socket.send_fds(told, [word.encode()], [writer])
        os.close(writer)
        print("closed" if os.read(reader, 1) == b"" else "data", flush=True)
    else:
        told.send(word.encode())
"""


class Systemd:
    """The socket of a systemd that takes messages from one process alone."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(address.replace("@", "\0"))
        self._socket.settimeout(30)

    def heard(self) -> tuple[int, bytes, int]:
        """Returns the next message: its sender, its text and how many descriptors came with it, which are closed."""
        text, ancillary, _, _ = self._socket.recvmsg(4096, 1024)
        sender, descriptors = 0, list[int]()
        for _, kind, data in ancillary:
            if kind == socket.SCM_CREDENTIALS:
                sender = struct.unpack("3i", data)[0]
            else:
                descriptors += struct.unpack(f"{len(data) // 4}i", data)
        for descriptor in descriptors:
            os.close(descriptor)
        return sender, text, len(descriptors)

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Returns the address of a socket of either kind."""
    return f"@{tmp_path.name}-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "s")


@pytest.fixture
def systemd(address: str) -> Iterator[Systemd]:
    """Opens the socket."""
    opened = Systemd(address)
    yield opened
    opened.close()


def told(
    systemd: Systemd, address: str, words: Sequence[str], expected: int, before: Sequence[str] = ()
) -> list[object]:
    """Returns what systemd hears from a command, from the wrapper in each case."""
    environment = os.environ | {"NOTIFY_SOCKET": address}
    with running([*EXEC, *before, sys.executable, "-S", "-c", TELL, *words], environment=environment) as process:
        heard = [systemd.heard() for _ in range(expected)]
        assert process.wait() == 0
    assert {sender for sender, _, _ in heard} == {process.pid}
    return [(text, descriptors) if descriptors else text for _, text, descriptors in heard]


def test_messages_come_from_the_main_process(systemd: Systemd, address: str, state_dir: Path) -> None:
    """Each message arrives once, as one, in its order, also the last before the end; the run is recorded."""
    words = ["READY=1\nSTATUS=up", "WATCHDOG=1", *(f"STATUS={number}" for number in range(30)), "STOPPING=1"]
    assert told(systemd, address, words, len(words)) == [word.encode() for word in words]
    assert len(points(state_dir)) == 3


def test_the_main_process_is_not_handed_over(systemd: Systemd, address: str) -> None:
    """Lines that would make the command the main process are left out, and messages of nothing else."""
    words = ["MAINPID=PID", "MAINPID=PID\nREADY=1", "MAINPIDFDID=7\nSTATUS=on", "READY=1\nMAINPIDFD=1", "STATUS=end"]
    assert told(systemd, address, words, 4) == [b"READY=1", b"STATUS=on", b"READY=1", b"STATUS=end"]


def test_descriptors_go_along(systemd: Systemd, address: str) -> None:
    """Stored descriptors arrive; a barrier is lifted when systemd has read it, since no copy of it is left open."""
    words = ["FDSTORE=1\nFDNAME=x", "BARRIER=1", "STATUS=end"]
    assert told(systemd, address, words, 3) == [(b"FDSTORE=1\nFDNAME=x", 1), (b"BARRIER=1", 1), b"STATUS=end"]


def test_children_of_the_command_are_heard(systemd: Systemd, address: str) -> None:
    """A script tells by a child, as with `systemd-notify`, and systemd knows the service by its control group."""
    words = ["READY=1"]
    assert told(systemd, address, words, 1, before=["sh", "-c", '"$@"; exit $?', "sh"]) == [b"READY=1"]


@pytest.mark.parametrize("other", ["vsock:2:1234", "", "relative"])
def test_other_addresses_stay(other: str) -> None:
    """An address that is no socket of this machine is handed on as it is."""
    environment = os.environ | {"NOTIFY_SOCKET": other}
    with running([*EXEC, "sh", "-c", "echo $NOTIFY_SOCKET"], environment=environment) as process:
        assert line(process.stdout) == other


def test_a_systemd_that_does_not_listen_harms_nothing(tmp_path: Path) -> None:
    """Messages to a socket that is not there are dropped; the command ends as it ends."""
    environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "none")}
    with running([*EXEC, sys.executable, "-S", "-c", TELL, "READY=1", "STATUS=on"], environment=environment) as process:
        assert process.wait() == 0
        assert line(process.stderr) == ""
