"""`doctor` of root in another user's state directory, and of a user who may not use it."""

import contextlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from otel_job_measure.cli import main
from tests.cli.test_two_users import device, folder_instead, hard_link, link_to, pipe, plant
from tests.support.two_users import ONLY_ROOT, M, everything, run

pytestmark = ONLY_ROOT
Plant = Callable[[Path, Path], None]
PLANTS: Final[dict[str, Plant]] = {
    "a link to a folder": link_to("roots"),
    "a link to a file": link_to("roots/secret"),
    "a pipe": pipe,
    "a device": device,
    "a folder": folder_instead,
    "a file of root's": hard_link,
}


def test_root_looks_with_the_rights_of_the_owner(place: Path) -> None:
    """Nothing is made or changed, and the finding names the user."""
    assert run(place, "exec", "job", "--", "true").returncode == 0
    assert run(place, "runs").returncode == 0
    before = everything(place)
    done = run(place, "doctor", "--json")
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    assert (done.returncode, done.stderr) == (0, "")
    assert str(M) in found["state.usable"]["text"]
    assert found["history.usable"]["facts"]["runs"] == 1
    assert everything(place) == before


def test_a_token_that_only_root_may_read_is_read_before(place: Path) -> None:
    """The look goes on with it after root has given up its rights."""
    token = place / "roots" / "token"
    token.write_text("wrong-but-there\n")
    token.chmod(0o600)
    (place / "roots").chmod(0o700)
    assert run(place, "exec", "job", "--", "true").returncode == 0
    server = {"INFLUXDB_URL": "http://127.0.0.1:1", "INFLUXDB_ORG": "o", "INFLUXDB_BUCKET": "b"}
    done = run(place, "doctor", INFLUXDB_TOKEN_FILE=str(token), **server)
    assert (done.returncode, "Permission denied" in done.stdout) == (2, False)
    assert "Connection refused" in " ".join(done.stdout.split())


@pytest.mark.parametrize("what", PLANTS.values(), ids=PLANTS.keys())
@pytest.mark.parametrize("name", ["drill", "drill.lock"])
def test_a_drill_follows_nothing_that_another_user_has_planted(place: Path, name: str, what: Plant) -> None:
    """It runs, or says that it cannot; nothing of root's is read, changed or deleted."""
    assert run(place, "exec", "job", "--", "true").returncode == 0
    plant(place, (name,), what)
    before = everything(place / "roots")
    done = run(place, "doctor", "--drill")
    assert "Traceback" not in done.stderr
    assert done.returncode in {1, 2}, done.stdout + done.stderr
    assert everything(place / "roots") == before
    made = [path for path in (place / "theirs").rglob("*") if path.lstat().st_uid != M]
    assert all(path.lstat().st_nlink > 1 for path in made), made


def test_a_user_without_rights_is_told(place: Path, tmp_path: Path) -> None:
    """It is a problem, with whose command it should be."""
    state = place / "roots" / "state"
    assert run(place, "exec", "job", "--", "true", OTEL_JOB_MEASURE_STATE_DIR=str(state)).returncode == 0
    said = tmp_path / "said"
    main(["doctor", "--json", "--state-dir", str(place / "none")])  # imports everything while root may read it
    with said.open("wb") as file:
        pid = os.fork()
        if not pid:
            try:
                os.setgroups([])
                os.setgid(M)
                os.setuid(M)
                with contextlib.redirect_stdout(io.StringIO()) as text:
                    code = main(["doctor", "--state-dir", str(state)])
                os.write(file.fileno(), text.getvalue().encode())
                os._exit(code)
            finally:
                os._exit(99)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    shown = " ".join(said.read_text().split())
    assert f"User {M} cannot use the state directory" in shown
    assert "run this as user root" in shown
