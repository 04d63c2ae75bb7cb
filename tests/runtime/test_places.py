"""Where points are kept, and what happens where there is no place for them."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import main
from otel_job_measure.runtime import assembly
from otel_job_measure.runtime.assembly import dies_with_process
from tests.delivery.support import TinyServer
from tests.runtime.support import as_a_stranger, delivered, run, said, sending


def a_file(folder: Path) -> Path:
    """Makes a file where the state directory should be."""
    path = folder / "file"
    path.write_text("not a folder")
    return path


def below_a_file(folder: Path) -> Path:
    """Names a folder that cannot be made."""
    return a_file(folder) / "below"


def full(folder: Path) -> Path:
    """Makes a state directory with a file of another program in each slot."""
    for number in range(1000):
        slot = folder / "full" / "slots" / f"{number:03}"
        slot.mkdir(parents=True)
        (slot / "left.lp").write_text("")
    return folder / "full"


NO_PLACES: list[Callable[[Path], Path]] = [a_file, below_a_file, full]


@pytest.mark.parametrize("no_place", NO_PLACES)
def test_without_a_place_it_is_memory_and_one_warning(
    no_place: Callable[[Path], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Jobs run, the points end with the process and are counted, and the log has one line."""
    measure = JobMeasure(state_dir=no_place(tmp_path))
    for name in ("a", "b"):
        run(measure, name)
    assert not measure.flush(0)
    assert not measure.close(1)
    assert measure.health().dropped == {"memory": 6}
    [warning] = said(caplog)
    assert "points are kept in memory" in warning
    assert "nor can" not in warning  # the user's own directory could be used


@pytest.mark.parametrize("no_place", NO_PLACES)
def test_without_a_place_points_are_delivered_all_the_same(
    no_place: Callable[[Path], Path], tmp_path: Path, server: TinyServer
) -> None:
    """Memory is as good for a server that is there."""
    measure = sending(server, state_dir=no_place(tmp_path))
    run(measure, "nightly")
    assert measure.flush(10)
    assert measure.close(10)
    assert delivered(server) == ["nightly"]
    assert measure.health().dropped == {}


def test_a_place_that_is_not_ours_is_no_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same where the user has no right to write."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o500)
    measure = JobMeasure(state_dir=folder / "state")
    with as_a_stranger():
        run(measure, "nightly")
        assert not measure.close(1)
    assert measure.health().dropped == {"memory": 3}
    assert len(said(caplog)) == 1


@pytest.mark.parametrize("command", [["runs"], ["ship", "--once"]], ids=lambda words: words[0])
@pytest.mark.parametrize("no_place", [a_file, below_a_file])
def test_a_command_without_a_place_ends_with_1(
    command: list[str],
    no_place: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says which folder cannot be used, in one line, and does nothing else."""
    place = no_place(tmp_path)
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", str(place))
    if command[0] == "ship":
        for name, value in {"URL": "http://localhost:1", "TOKEN": "t", "ORG": "o", "BUCKET": "b"}.items():
            monkeypatch.setenv(f"INFLUXDB_{name}", value)
    assert main([*command, "--env-file", os.devnull, "--state-dir", str(place)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("otel-job-measure: ")
    assert str(place) in line


def test_files_are_the_owners_alone(state_dir: Path) -> None:
    """Whatever the umask says, folders are 0700 and files 0600."""
    before = os.umask(0)
    try:
        measure = JobMeasure()
        run(measure, "nightly")
        assert measure.close()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [state_dir, *state_dir.rglob("*")] if path.is_dir()}
    assert modes == {0o700}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in state_dir.rglob("*") if path.is_file()}
    assert modes == {0o600}


MOUNTS = """\
overlay / overlay rw,relatime,lowerdir=/a:/b 0 0
proc /proc proc rw 0 0
/dev/vdb /data ext4 rw 0 0
tmpfs /data/scratch tmpfs rw 0 0
a line that is none
/dev/vdc /with\\040room ext4 rw 0 0
/dev/vdd /run tmpfs rw 0 0
/dev/vde /run ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "dies"),
    [
        ("/", True),
        ("/var/lib/jobs", True),
        ("/data", False),
        ("/data/jobs/state", False),
        ("/data/scratch", True),
        ("/data/scratch/jobs", True),
        ("/database", True),
        ("/with room/jobs", False),
        ("/run/jobs", False),
    ],
)
def test_what_dies_with_a_container_is_known(
    path: str, *, dies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tmpfs and a container's overlay do, a volume mounted into it does not; the last of two mounts counts."""
    (tmp_path / "mounts").write_text(MOUNTS)
    monkeypatch.setattr(assembly, "_MOUNTS", tmp_path / "mounts")
    assert dies_with_process(Path(path)) is dies


def test_where_the_system_tells_nothing_files_are_taken_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other systems have no such list, nor an id for their boots."""
    monkeypatch.setattr(assembly, "_MOUNTS", tmp_path / "no such file")
    monkeypatch.setattr(assembly, "_BOOT_ID", tmp_path / "no such file")
    assert not dies_with_process(tmp_path)
    assert assembly.boot_id() == ""


def test_two_looks_see_the_same_boot() -> None:
    """What tells one boot from another stays as long as the machine is up."""
    assert assembly.boot_id() == assembly.boot_id()
