"""`doctor` on this machine: settings and their places, the state directory, the history, what waits and why."""

import fcntl
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.cli import WrongUsage, main
from otel_job_measure.insight.doctor import coverage, drill, examination, folder
from otel_job_measure.insight.doctor.finding import Finding
from otel_job_measure.journal.state_dir import Mark, StateDir
from otel_job_measure.settings import environment
from tests.cli.test_doctor import doctor
from tests.support.two_users import everything

DOCS: Final = Path(__file__).parents[2] / "docs" / "doctor.md"
SERVER: Final = {"url": "http://127.0.0.1:1", "token": "t", "org": "o", "bucket": "b"}


@pytest.fixture
def recorded(state_dir: Path) -> Callable[..., None]:
    """Returns what records a run, for a server or for none."""

    def record(job: str = "nightly", **arguments: Any) -> None:  # noqa: ANN401 - any of the arguments of Settings
        measure = JobMeasure(state_dir=state_dir, **arguments)
        with measure.run(job):
            pass
        measure.close(5)

    return record


@pytest.fixture(autouse=True)
def _no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable came from a file."""
    monkeypatch.setattr(environment, "_of_files", dict[str, str]())


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("INFLUX_TOKEN", "INFLUXDB_TOKEN"),
        ("INFLUXDB_V2_URL", "INFLUXDB_URL"),
        ("INFLUXDB3_DATABASE_NAME", "INFLUXDB_BUCKET"),
        ("OTEL_JOB_MEASURE_STATEDIR", "OTEL_JOB_MEASURE_STATE_DIR"),
        ("OTEL_JOB_MEASURE_PROJECT_NAME", "PROJECT_NAME"),
        ("otel_job_measure_sink", "OTEL_JOB_MEASURE_SINK"),
        ("INFLUXDB_TOKN", "INFLUXDB_TOKEN"),
        ("INFLUXDB_BUCKETS", "INFLUXDB_BUCKET"),
        ("OTEL_SERVICE_NAM", "OTEL_SERVICE_NAME"),
        ("OTEL_JOB_MEASURE_QQQQ", None),
        ("OTEL_QQQQ", None),
    ],
)
def test_what_is_set_and_not_used(
    variable: str, nearest: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The nearest right name is told, and never the value."""
    monkeypatch.setenv(variable, "S3CRET-value")
    code, found, content = doctor(capfd)
    assert (code, found["settings.unused"]["level"]) == (1, 1)
    assert found["settings.unused"]["facts"] == {"variable": variable, "nearest": nearest}
    assert "S3CRET" not in json.dumps(content)


@pytest.mark.parametrize(
    "variable", ["OTEL_SERVICE_NAME", "OTEL_PYTHON_ANYTHING", "OTEL_EXPORTER_OTLP_ENDPOINT", "INFLUXDB_DB", "PATH_X"]
)
def test_what_others_use_is_no_finding(
    variable: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Variables of the SDK, of instrumentations, of an exporter and of InfluxDB's container are left alone."""
    monkeypatch.setenv(variable, "http://localhost:4318")
    code, found, _ = doctor(capfd)
    assert (code, "settings.unused" in found) == (0, False)


def test_each_setting_says_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file, the environment, an option, or the default; secrets are masked."""
    file = tmp_path / "env"
    file.touch(mode=0o600)
    file.write_text("PROJECT_NAME=of-file\nPROJECT_STAGE=of-file\nOTEL_JOB_MEASURE_READ_TOKEN=hushhush\n")
    for name in ("PROJECT_NAME", "OTEL_JOB_MEASURE_READ_TOKEN"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PROJECT_STAGE", "of-environment")
    code, found, content = doctor(capfd, "--env-file", str(file), "--state-dir", str(tmp_path / "other"))
    settings = {each["variable"]: (each["value"], each["place"]) for each in content["settings"]}
    assert code == 0
    assert settings["PROJECT_NAME"] == ("of-file", str(file))
    assert settings["PROJECT_STAGE"] == ("of-environment", "environment")
    assert settings["OTEL_JOB_MEASURE_READ_TOKEN"] == ("***", str(file))
    assert settings["OTEL_JOB_MEASURE_STATE_DIR"] == (str(tmp_path / "other"), "option")
    assert settings["OTEL_JOB_MEASURE_HISTORY"] == ("on", "default")
    assert "PROJECT_STAGE of" in found["settings.unused"]["text"]


def test_each_wrong_setting_is_a_problem(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """With what it takes; the rest is looked at as far as that is possible."""
    monkeypatch.setenv("OTEL_JOB_MEASURE_TIMEOUT", "soon")
    monkeypatch.setenv("INFLUXDB_URL", "ftp://x")
    code, found, content = doctor(capfd)
    wrong = [each for each in content["findings"] if each["check"] == "settings.valid"]
    assert (code, len(wrong)) == (2, 3)
    assert all(each["advice"] for each in wrong)
    assert found["state.usable"]["level"] == 0


def test_a_missing_env_file_is_a_problem(capfd: pytest.CaptureFixture[str]) -> None:
    """The look goes on without it."""
    code, found, _ = doctor(capfd, "--env-file", "/nowhere")
    assert (code, "/nowhere" in found["settings.valid"]["text"]) == (2, True)


def test_it_changes_nothing(state_dir: Path, recorded: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    """Neither segments, slots, the history nor times of files; without a state directory, it makes none."""
    assert doctor(capfd)[0] == 0
    assert not state_dir.exists()
    recorded()
    recorded(**{f"influxdb_{name}": value for name, value in SERVER.items()})
    assert main(["runs"]) == 0
    before = everything(state_dir)
    capfd.readouterr()
    doctor(capfd)
    assert everything(state_dir) == before


def test_what_waits_is_told_with_its_reason(
    state_dir: Path,
    recorded: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """For a server that is away, for another server, and for a `ship` that does not run."""
    arguments = {f"influxdb_{name}": value for name, value in SERVER.items()}
    recorded(**arguments)
    code, found, _ = doctor(capfd)
    assert (code, "--redirect" in found["state.waiting"]["advice"]) == (1, True)
    for name, value in SERVER.items():
        monkeypatch.setenv(f"INFLUXDB_{name.upper()}", value)
    _, found, _ = doctor(capfd)
    assert "the server cannot be reached" in found["state.waiting"]["text"]
    for path in (state_dir / "ready").iterdir():
        path.unlink()
    for name in SERVER:
        monkeypatch.delenv(f"INFLUXDB_{name.upper()}")
    recorded(ship=False)
    old = next((state_dir / "ready").iterdir())
    os.utime(old, (1, 1))
    _, found, _ = doctor(capfd)
    assert "no `ship` took them" in found["state.waiting"]["text"]
    assert found["state.waiting"]["level"] == 2


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def _damaged(path: Path) -> None:
    path.write_bytes(b"rubbish" * 1000)


def _foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def _planted(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("change", [_newer, _damaged, _foreign, _planted, _folder])
def test_a_history_that_cannot_be_read(
    change: Callable[[Path], None],
    state_dir: Path,
    recorded: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It is a problem with advice; the file stays as it is."""
    recorded()
    main(["runs"])
    capfd.readouterr()
    change(state_dir / "history.db")
    before = everything(state_dir)
    code, found, _ = doctor(capfd)
    assert (code, found["history.usable"]["level"], bool(found["history.usable"]["advice"])) == (2, 2, True)
    assert everything(state_dir) == before


def test_a_history_in_use_is_a_warning(
    state_dir: Path, recorded: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """Doctor does not wait for the other process."""
    recorded()
    main(["runs"])
    capfd.readouterr()
    with (state_dir / "history.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, found, _ = doctor(capfd)
    assert (code, found["history.usable"]["level"]) == (1, 1)


def test_the_history_is_described(recorded: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    """Its runs, its size, its version."""
    recorded()
    main(["runs"])
    capfd.readouterr()
    _, found, _ = doctor(capfd)
    facts = found["history.usable"]["facts"]
    assert (facts["runs"], facts["version"]) == (1, facts["newest_version"])
    assert facts["bytes"] > 0


@pytest.mark.parametrize(("free", "level"), [(0, 2), (100 * 2**20, 1), (2**40, 0)])
def test_the_room_of_the_disk(
    free: int, level: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Little is a warning, none a problem."""
    real = os.statvfs("/")
    values = (4096, 4096, real.f_blocks, free // 4096, free // 4096, 1000, 900, 900, real.f_flag, real.f_namemax)
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(values))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - any path
    code, found, _ = doctor(capfd)
    assert (code, found["state.room"]["level"]) == (level, level)


def test_times_of_which_rows_are_missing_are_told(
    state_dir: Path, recorded: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    """A job is unknown then, and the reader of `check` wonders why; long ago does not matter any more."""
    recorded("nightly")
    state, now_ns = StateDir(state_dir), time.time_ns()
    Mark(state, 0).until(1)
    assert "state.unknown" not in doctor(capfd)[1]
    Mark(state, now_ns - 200 * 10**9).until(now_ns - 150 * 10**9)
    code, found, _ = doctor(capfd)
    assert (code, found["state.unknown"]["level"]) == (1, 1)
    assert "Rows of 1 time in the last 2 d" in found["state.unknown"]["text"]


def test_the_bound_on_bytes_is_that_of_the_settings(
    state_dir: Path, recorded: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Above it the oldest points are deleted, so to be near it is a warning."""
    recorded("nightly")
    (state_dir / "ready" / "local-0.lp").write_bytes(b"x" * 1_400_000)
    monkeypatch.setenv("OTEL_JOB_MEASURE_MAX_BYTES", "1500000")
    code, found, _ = doctor(capfd)
    assert (code, found["state.bytes"]["level"], found["state.bytes"]["facts"]["most_bytes"]) == (1, 1, 1_500_000)


def test_a_living_process_is_counted(state_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its slot is held."""
    measure = JobMeasure(state_dir=state_dir)
    with measure.run("nightly"):
        _, found, _ = doctor(capfd)
    measure.close(5)
    assert found["state.slots"]["facts"]["living"] == 1


def test_memory_is_a_warning(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing outlives a process then."""
    for name, value in SERVER.items():
        monkeypatch.setenv(f"INFLUXDB_{name.upper()}", value)
    monkeypatch.setenv("OTEL_JOB_MEASURE_STATE_DIR", "memory")
    _, found, _ = doctor(capfd)
    assert found["state.usable"]["level"] == 1


def test_a_fault_of_one_area_hides_no_other(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """It is a finding of its own."""

    def broken(*_: object) -> Iterator[Finding]:
        yield Finding(check="coverage.jobs", text="One.")
        raise ZeroDivisionError

    monkeypatch.setattr(coverage, "examined", broken)
    code, found, _ = doctor(capfd)
    assert (code, "ZeroDivisionError" in found["coverage.failed"]["text"]) == (2, True)
    assert {"settings.valid", "state.room", "coverage.jobs"} <= found.keys()


def test_an_area_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """What was found before it is shown."""
    began, went_on, join = threading.Event(), threading.Event(), threading.Thread.join

    def hangs(*_: object) -> Iterator[Finding]:
        began.set()
        went_on.wait()
        yield from ()

    def join_for_a_moment(thread: threading.Thread, timeout: float | None = None) -> None:
        assert timeout == 0.5
        assert began.wait(60)
        join(thread, timeout)

    with monkeypatch.context() as patched:
        patched.setattr(folder, "examined", hangs)
        patched.setattr(threading.Thread, "join", join_for_a_moment)
        code, found, _ = doctor(capfd, "--timeout", "0.5s")
    went_on.set()
    assert (code, found["doctor.time"]["level"]) == (2, 2)
    assert "settings.valid" in found
    next(each for each in threading.enumerate() if each.name == "otel-job-measure-doctor").join()


@pytest.mark.parametrize("words", [["--nonsense"], ["--timeout", "soon"], ["--notify", "mailto:a@example.com"]])
def test_wrong_options_are_3(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """2 would be a problem that was found."""
    with pytest.raises(WrongUsage) as ended:
        main(["doctor", *words])
    assert ended.value.code == 3
    assert capfd.readouterr().err


def test_every_check_is_in_the_docs() -> None:
    """The table of docs/doctor.md is a contract."""
    package = Path(examination.__file__).parent
    sources = [*package.glob("*.py"), *(package.parents[1] / "cli").glob("doctor*.py")]
    code = "\n".join(path.read_text() for path in sources)
    checks = {part.split('"')[0] for part in code.split('check="')[1:]}
    checks |= {f"drill.{title}" for title in drill._TITLES.values()}
    table = DOCS.read_text().split("<!-- doctor:checks -->")[1].split("<!-- /doctor:checks -->")[0]
    named = {
        part for row in table.splitlines() for part in row.split("|")[1:2] for part in part.split("`") if "." in part
    }
    assert checks == {name for name in named if not name.startswith("…")}
