"""Root's commands and apps in the state directory of another user, who has planted something in it."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.two_users import ONLY_ROOT, SERVER, M, everything, process, run

pytestmark = ONLY_ROOT
EXPECTED: Final = ("expected/lock", "expected/skips.json", "expected/exec-0.json", "expected/told-0")
FILES: Final = (
    *("history.db", "history.db-journal", "history.db-wal", "history.lock", "adopt.lock", "shipped.json"),
    *EXPECTED,
)
LINES: Final = ("ready/0123456789abcdef-0.lp", "rejected/0123456789abcdef-0.lp", "slots/007/0123456789abcdef-0.lp")
LOCKS: Final = tuple(f"slots/{number:03}/lock" for number in range(10))
FOLDERS: Final = ("ready", "rejected", "slots", "expected")
SLOTS: Final = tuple(f"slots/{number:03}" for number in range(1000))
APP: Final = """
import logging
from otel_job_measure import JobMeasure
logging.basicConfig()
measure = JobMeasure()
with measure.run("nightly"):
    print("it ran")
measure.close(1)
"""


def link_to(target: str) -> Callable[[Path, Path], None]:
    """Returns a way to plant a link to something of root's."""
    return lambda path, place: path.symlink_to(place / target)


def pipe(path: Path, _place: Path) -> None:
    """Plants a pipe, which blocks a process that opens it."""
    os.mkfifo(path)


def device(path: Path, _place: Path) -> None:
    """Plants a device that never ends (or, where none can be made, a link to it)."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")


def sparse(path: Path, _place: Path) -> None:
    """Plants a file of one line of 8 GiB."""
    with path.open("wb") as file:
        file.write(b"# otel-job-measure {")
        file.truncate(8 * 1024**3)


def folder_instead(path: Path, _place: Path) -> None:
    """Plants a folder."""
    path.mkdir()
    (path / "something").touch()


def hard_link(path: Path, place: Path) -> None:
    """Plants a second name of a file of root's."""
    path.hardlink_to(place / "roots" / "secret")


def of_a_third_user(path: Path, _place: Path) -> None:
    """Plants a file of yet another user, which M can read."""
    path.write_text("# otel-job-measure {}\na third user's\n")
    path.chmod(0o666)
    os.chown(path, M + 1, M + 1)


def nothing(_path: Path, _place: Path) -> None:
    """Plants nothing."""


def plant(place: Path, names: tuple[str, ...], what: Callable[[Path, Path], None]) -> None:
    """Has M put something in the place of files or folders."""
    state = place / "theirs" / "state"
    for name in names:
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        what(path, place)
    for folder, folders, files in os.walk(state):
        for name in (*folders, *files):
            path = Path(folder) / name
            if (path.lstat().st_nlink == 1 and path.lstat().st_uid != M + 1) or path.is_dir():
                os.chown(path, M, M, follow_symlinks=False)


PLANTS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Path, Path], None]]]] = {
    "files are links to a file": ((*FILES, *LINES, *LOCKS), link_to("roots/secret")),
    "files are links to a folder": ((*FILES, *LINES, *LOCKS), link_to("roots")),
    "files are pipes": ((*FILES, *LINES, *LOCKS), pipe),
    "lines are pipes": (LINES, pipe),
    "files are devices": ((*FILES, *LINES, *LOCKS), device),
    "lines are devices": (LINES, device),
    "files are sparse": ((*FILES, *LINES), sparse),
    "lines are sparse": (LINES, sparse),
    "files are folders": ((*FILES, *LINES, *LOCKS), folder_instead),
    "folders are links": (FOLDERS, link_to("roots")),
    "one folder is a link": (("rejected",), link_to("roots")),
    "all slots are links": (SLOTS, link_to("roots")),
    "folders are pipes": (FOLDERS, pipe),
    "all slots are pipes": (SLOTS, pipe),
    "files are root's": ((*FILES, *LINES, *LOCKS), hard_link),
    "lines are root's": (LINES, hard_link),
    "files are a third user's": ((*FILES, *LINES, *LOCKS), of_a_third_user),
}
KINDS: Final = (
    link_to("roots/secret"),
    nothing,
    link_to("roots"),
    nothing,
    pipe,
    nothing,
    device,
    nothing,
    sparse,
    nothing,
    folder_instead,
    nothing,
    hard_link,
    nothing,
    of_a_third_user,
    nothing,
)
"""Between two of them nothing, so that something planted first does not keep commands from what comes later."""


def attack(place: Path) -> None:
    """Has root work in the state directory of M, and looks for harm."""
    before = everything(place / "roots")
    for words in (
        ("runs",),
        ("rejected",),
        ("rejected", "--lines"),
        ("rejected", "--retry"),
        ("rejected", "--discard"),
        ("ship", "--once"),
        ("expected",),
        ("doctor",),
        ("skip", "job", "--until", "1h"),
        ("forget", "job"),
    ):
        done = run(place, *words, **SERVER)
        assert "Traceback" not in done.stderr, (words, done.stderr)
        assert "the secret of root" not in done.stdout + done.stderr
    done = run(place, "exec", "job", "--", "sh", "-c", "echo it ran; exit 7")
    assert (done.returncode, done.stdout) == (7, "it ran\n"), done.stderr
    done = process(place, sys.executable, "-c", APP)
    assert (done.returncode, done.stdout) == (0, "it ran\n"), done.stderr
    assert done.stderr.count("belongs to user") == 1, done.stderr
    assert everything(place / "roots") == before
    made = [path for path in (place / "theirs").rglob("*") if path.lstat().st_uid not in {M, M + 1}]
    assert all(path.lstat().st_nlink > 1 for path in made), made  # the second names of root's file


@pytest.mark.timeout(600)
@pytest.mark.parametrize("planted", PLANTS)
def test_root_follows_nothing_that_another_user_has_planted(place: Path, planted: str) -> None:
    """Every command ends, the command of exec runs, and nothing of root's is read, changed, moved, deleted or made."""
    assert run(place, "exec", "job", "--", "true").returncode == 0
    plant(place, *PLANTS[planted])
    attack(place)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("turn", range(len(KINDS)))
def test_each_name_can_be_anything_while_others_are_as_they_should_be(place: Path, turn: int) -> None:
    """Over all turns, each kind of thing lies at each name that the package opens, beside good files."""
    alone = {**SERVER, "OTEL_JOB_MEASURE_SHIP": "off"}
    assert run(place, "exec", "job", "--", "true", **alone).returncode == 0
    assert run(place, "ship", "--once", **SERVER).returncode == 1
    for at, name in enumerate((*FILES, *LINES, *LOCKS)):
        kind = KINDS[(turn + at) % len(KINDS)]
        if kind is not nothing:
            plant(place, (name,), kind)
    attack(place)


def test_what_root_makes_in_a_users_folder_is_the_users(place: Path) -> None:
    """Root can read and ship the runs of other users without taking their files away."""
    alone = {**SERVER, "OTEL_JOB_MEASURE_SHIP": "off"}
    assert run(place, "exec", "job", "--", "true", **alone).returncode == 0
    assert run(place, "exec", "job", "--", "false", **alone).returncode == 1
    listed = run(place, "runs")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "failed" in listed.stdout
    assert run(place, "ship", "--once", **SERVER).returncode == 1
    made = {path: path.lstat() for path in (place / "theirs").rglob("*")}
    assert {"history.db", "history.lock", "adopt.lock", "lock"} <= {path.name for path in made}
    assert {status.st_uid for status in made.values()} == {M}
    assert {stat.S_IMODE(status.st_mode) for status in made.values()} == {0o700, 0o600}


def test_the_command_of_exec_keeps_the_rights_of_root(place: Path) -> None:
    """Users, groups and capabilities are those without exec, though exec itself has the rights of M."""
    look = ("grep", "-E", "^(Uid|Gid|Groups|Cap|NoNewPrivs)", "/proc/self/status")
    alone = subprocess.run(look, capture_output=True, text=True, check=True)
    measured = run(place, "exec", "job", "--", *look)
    assert (measured.returncode, measured.stdout, measured.stderr) == (0, alone.stdout, "")
    unmeasured = run(place, "exec", "job", "--", *look, OTEL_JOB_MEASURE_MAX_BYTES="nonsense")
    assert unmeasured.stdout == alone.stdout
    own = run(place, "exec", "job", "--", "sh", "-c", "grep ^Uid /proc/$PPID/status")
    assert re.match(rf"Uid:\t0\t{M}\t0\t{M}$", own.stdout.strip())


def test_corrected_lines_are_read_with_the_rights_of_root(place: Path) -> None:
    """The file is root's own; its lines go into the state directory with the rights of M."""
    assert run(place, "exec", "job", "--", "true", OTEL_JOB_MEASURE_SHIP="off", **SERVER).returncode == 0
    corrected = place / "roots" / "corrected"
    corrected.write_text("scheduling-job,job=mended x=1 1\n")
    corrected.chmod(0o600)
    (place / "roots").chmod(0o700)
    done = run(place, "rejected", "--retry", "--from", str(corrected), **SERVER)
    assert (done.returncode, done.stderr) == (0, "")
    ready = place / "theirs" / "state" / "ready"
    assert [path.lstat().st_uid for path in ready.iterdir() if b"mended" in path.read_bytes()] == [M]


def test_a_token_that_only_root_may_read_is_read_before(place: Path) -> None:
    """The shipper goes on with it after it has given up its rights."""
    token = place / "roots" / "token"
    token.write_text("wrong-but-there\n")
    token.chmod(0o600)
    (place / "roots").chmod(0o700)
    server = {**SERVER, "INFLUXDB_TOKEN": "", "INFLUXDB_TOKEN_FILE": str(token)}
    assert run(place, "exec", "job", "--", "true", OTEL_JOB_MEASURE_SHIP="off", **server).returncode == 0
    done = run(place, "ship", "--once", **server)
    assert "could not be sent and wait" in done.stderr
    assert "Permission denied" not in done.stderr


def test_what_a_user_expects_is_read(place: Path) -> None:
    """Also if that user may not read the Python that root's command runs with."""
    assert run(place, "exec", "--schedule", "5 2 * * *", "nightly", "--", "true").returncode == 0
    for words in (("expected",), ("check", "--timeout", "5m")):
        done = run(place, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert "nightly" in done.stdout
