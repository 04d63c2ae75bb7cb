"""`exec` as the first process of a container, and as the parent of orphans."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.exec_ import EXEC, LISTEN, line, run, running

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
# Becomes the parent of the orphans among its descendants, as the first process of a container is.
SUBREAPER = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
# Goes on until no orphan is left, neither alive nor as a zombie.
FIVE_ORPHANS = """
for i in 1 2 3 4 5; do (sleep 0.05 &) ; done
left() {
    for stat in /proc/[0-9]*/stat; do
        { read -r line <$stat; } 2>/dev/null || continue
        case $line in
            "$$ "*) ;;
            *"(sh) "?" $PPID "* | *"(sleep) "?" $PPID "*) return 0 ;;
        esac
    done
    return 1
}
while left; do sleep 0.05; done
exit 3
"""


def can_unshare() -> bool:
    """Returns whether this machine lets the tests make a namespace of processes."""
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("parent", [[sys.executable, "-c", SUBREAPER], UNSHARE], ids=["subreaper", "container"])
def test_orphans_are_reaped(parent: list[str]) -> None:
    """A command that leaves orphans leaves no zombies; its own exit code comes through."""
    if parent is UNSHARE and not can_unshare():
        pytest.skip("this machine has no namespaces for tests; the other case takes the same way")
    done = run([*parent, *EXEC, "sh", "-c", FIVE_ORPHANS])
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


def test_the_first_process_ends_with_its_command() -> None:
    """A daemon that the command leaves does not hold up the container; a command's signal is its exit code."""
    if not can_unshare():
        pytest.skip("this machine has no namespaces for tests")
    done = run([*UNSHARE, *EXEC, "sh", "-c", "(sleep 60 >/dev/null 2>&1 &); kill -TERM $$"])
    assert done.returncode == 128 + signal.SIGTERM


def test_signals_to_the_first_process_reach_the_command() -> None:
    """The kernel drops what a first process does not handle; `exec` holds it, and passes it on."""
    if not can_unshare():
        pytest.skip("this machine has no namespaces for tests")
    with running([*UNSHARE, *EXEC, *LISTEN]) as process:
        assert line(process.stdout) == "ready"
        first = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            os.kill(first, number)
            assert line(process.stdout) == str(int(number))
        os.kill(first, signal.SIGUSR2)
    assert process.returncode == 7
