"""A state directory that users share, and one that a user may not use. Each test needs root, to become other users."""

import logging
import os
import signal
import stat
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from otel_job_measure.clock import SystemClock
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.runtime.pipeline import Pipeline
from otel_job_measure.settings import Settings
from tests.journal.support import begin, finish, journal_in, points_in, source_of, statuses

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become other users")
ANNA, BEN, CARL = 54_321, 54_322, 54_323
GROUP, OTHER_GROUP = 54_330, 54_331


@pytest.fixture
def place() -> Generator[Path]:
    """A folder that every user can look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def shared(place: Path) -> Path:
    """A state directory that root shares with a group."""
    folder = place / "state"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2770)
    return folder


def as_user(uid: int, work: Callable[[], object], *, group: int = GROUP) -> int:
    """Does something as another user, in a child; returns the child's exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.umask(0o077)
            os.setgroups([group])
            os.setgid(group)
            os.setuid(uid)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_users_of_a_group_share_a_state_directory_and_recover_each_others_runs(shared: Path) -> None:
    """Files have mode 0660 and folders 2770, whatever the umask; all of it belongs to the group."""

    def be_killed() -> None:
        begin(journal_in(shared), uuid="killedkilled")
        os.kill(os.getpid(), signal.SIGKILL)

    def recover() -> None:
        journal = journal_in(shared)
        finish(journal, begin(journal, uuid="endedendeden"))
        source_of(journal).recover()
        assert not StateDir(shared).needs_maintenance(SystemClock()), "the maintenance cannot be noted"
        journal.close(delivered=False)

    assert as_user(ANNA, be_killed) == -signal.SIGKILL
    assert as_user(BEN, recover) == 0
    assert statuses(points_in(shared)) == {"killedkilled": ["start", "failed"], "endedendeden": ["start", "end"]}
    assert {path.parent.name for path in shared.rglob("*.lp")} == {"ready"}
    made = list(shared.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o2770}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o660}
    assert {path.stat().st_gid for path in made} == {GROUP}


def test_a_slot_of_one_user_is_taken_by_another(shared: Path) -> None:
    """The lock file is another user's, and its time can be set to the present only."""
    for user in (ANNA, BEN, 0):

        def run() -> None:
            journal = journal_in(shared)
            finish(journal, begin(journal))
            journal.close(delivered=True)

        assert as_user(user, run) == 0
    assert not list(shared.rglob("*.lp"))


@pytest.mark.parametrize("mode", [0o770, 0o2750, 0o700])
def test_a_folder_of_another_user_that_is_not_shared_is_refused(shared: Path, mode: int) -> None:
    """The setgid bit and the group's right to write say that it is shared; a right of all users says nothing."""
    os.chown(shared, ANNA, GROUP)
    shared.chmod(mode)
    assert as_user(BEN, lambda: journal_in(shared).stamp()) == 1
    assert as_user(ANNA, lambda: journal_in(shared).stamp()) == 0


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2777])
def test_a_folder_that_every_user_can_write_is_refused(shared: Path, mode: int) -> None:
    """Another user could plant a history that all can read, or take files away; its owner and root refuse it too."""
    shared.chmod(mode)
    for user in (0, BEN):
        assert as_user(user, lambda: journal_in(shared).stamp()) == 1
    with pytest.raises(PermissionError, match=r"every user can write .*: use a folder in it"):
        StateDir(shared).check_usable()
    assert list(shared.iterdir()) == []


def test_a_shared_folder_is_refused_to_users_outside_its_group(shared: Path) -> None:
    """They have no right to write there anyway, and would not trust it."""
    os.chown(shared, ANNA, GROUP)
    assert as_user(CARL, lambda: journal_in(shared).stamp(), group=OTHER_GROUP) == 1
    assert as_user(BEN, lambda: journal_in(shared).stamp()) == 0


def measured(state_dir: Path, home: Path, *, places: tuple[Path, ...]) -> None:
    """Measures a run in a process of this user, and makes sure that one log line names the places."""
    os.environ["HOME"] = str(home)
    os.environ.pop("XDG_STATE_HOME", None)
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign,assignment]
    logging.getLogger("otel_job_measure").addHandler(handler)
    pipeline = Pipeline(Settings(state_dir=state_dir), ships=False)
    finish(pipeline.journal, begin(pipeline.journal))
    pipeline.close(5)
    [record] = records
    assert all(str(place) in record.getMessage() for place in places), record.getMessage()


def test_a_user_without_rights_keeps_runs_in_the_users_own_state_directory(place: Path) -> None:
    """Root has made the machine's; the message names both, and no run is gone."""
    machine, home = place / "machine", place / "home"
    journal = journal_in(machine)
    finish(journal, begin(journal))
    home.mkdir()
    os.chown(home, BEN, GROUP)
    own = home / ".local" / "state" / "otel-job-measure"
    assert as_user(BEN, lambda: measured(machine, home, places=(machine, own))) == 0
    assert len(points_in(own)) == 3
    assert {path.stat().st_uid for path in own.rglob("*")} == {BEN}


def test_a_user_without_any_place_is_told_of_both(place: Path) -> None:
    """Points are in memory then."""
    machine, home = place / "machine", place / "home"
    journal_in(machine).stamp()
    home.mkdir()
    own = home / ".local" / "state" / "otel-job-measure"
    assert as_user(BEN, lambda: measured(machine, home, places=(machine, own))) == 0
    assert not own.exists()
