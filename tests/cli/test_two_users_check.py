"""`check` of a user such as `nagios`, who may not use the state directory, or shares it by a group."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from otel_job_measure.cli import main
from tests.support.influx import InfluxServer
from tests.support.two_users import ONLY_ROOT, M, everything, run

pytestmark = ONLY_ROOT
GROUP: Final = 54_330


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def state(place: Path) -> Path:
    """A state directory of root's alone, with a job that fails."""
    folder = place / "roots" / "state"
    _fail(place, folder)
    return folder


def _fail(place: Path, folder: Path) -> None:
    assert run(place, "exec", "bad", "--", "false", OTEL_JOB_MEASURE_STATE_DIR=str(folder)).returncode == 1


def _as_nagios(place: Path, words: Sequence[str], groups: Sequence[int] = ()) -> Said:
    """Runs a command as another user, in a child that has imported everything: that user may not read the package."""
    main([*words[:1], "--state-dir", str(place / "none")])
    with (place / "out").open("w") as out, (place / "err").open("w") as err:
        pid = os.fork()
        if not pid:
            try:
                os.dup2(err.fileno(), 2)
                os.setgroups(groups)
                os.setgid(M)
                os.setuid(M)
                with contextlib.redirect_stdout(out):
                    code = main(list(words))
                out.flush()
                os._exit(code)
            finally:
                os._exit(99)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Said(code, (place / "out").read_text(), (place / "err").read_text())


@pytest.mark.parametrize("options", [(), ("--json",), ("--from", "history")])
def test_a_private_directory_is_one_clear_line(place: Path, state: Path, options: tuple[str, ...]) -> None:
    """The answer is unknown, with what to do; the directory stays as it is."""
    before = everything(state)
    said = _as_nagios(place, ["check", "--state-dir", str(state), *options])
    assert (said.code, said.err) == (3, "")
    assert said.out.startswith("JOBS UNKNOWN - the state directory ")
    assert said.out.count("\n") == 1
    assert everything(state) == before


def test_a_directory_that_a_group_shares_is_read(place: Path) -> None:
    """A member of its group sees what root's jobs did, and everything in it stays the group's."""
    folder = place / "shared"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2770)
    _fail(place, folder)
    said = _as_nagios(place, ["check", "--state-dir", str(folder)], [GROUP])
    assert (said.code, said.err) == (2, ""), said.out
    assert "1 job: bad failing" in said.out
    assert {path.stat().st_gid for path in folder.rglob("*")} == {GROUP}
    assert run(place, "exec", "bad", "--", "true", OTEL_JOB_MEASURE_STATE_DIR=str(folder)).returncode == 0
    assert _as_nagios(place, ["check", "--state-dir", str(folder)], [GROUP]).code == 0


@pytest.mark.parametrize("options", [("--from", "influxdb"), ("--state-dir", "NONE")])
def test_influxdb_is_read_with_a_token_that_may_only_read(
    place: Path,
    state: Path,
    influx: InfluxServer,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    """Neither rights in a state directory nor a right to write is needed; nothing is written."""
    sent = influx.variables(bucket) | {"OTEL_JOB_MEASURE_STATE_DIR": str(state)}
    assert run(place, "exec", "bad", "--", "false", **sent).returncode == 1
    assert run(place, "ship", "--once", **sent).returncode == 0
    before, rows = everything(state), influx.all_lines(bucket)
    for name, value in (sent | {"INFLUXDB_TOKEN": influx.read_only_token(bucket)}).items():
        monkeypatch.setenv(name, value)
    said = _as_nagios(place, ["check", "--job", "bad", *options])
    assert (said.code, said.err) == (2, ""), said.out
    assert "1 job: bad failing" in said.out
    assert (everything(state), influx.all_lines(bucket)) == (before, rows)
