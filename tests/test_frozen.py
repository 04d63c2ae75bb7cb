"""Apps that are one file or one folder: zip archives, and what PyInstaller makes."""

import subprocess
import sys
import zipapp
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.delivery.support import TinyServer
from tests.runtime.support import delivered, history, variables
from tests.support.uncovered import uncovered

ROOT = Path(__file__).parents[1]
APP = """
import multiprocessing
import sys

import otel_job_measure
from otel_job_measure import JobMeasure
from otel_job_measure.cli import main

def work():
    with JobMeasure().run("of-a-child"):
        pass

if __name__ == "__main__":
    multiprocessing.freeze_support()
    if len(sys.argv) > 1:
        sys.exit(main())
    assert sys.argv[0].endswith(".pyz") == (".pyz" in otel_job_measure.__file__)
    measure = JobMeasure()
    with measure.run("frozen"):
        pass
    assert measure.close(20)
    method = "fork" if ".pyz" in sys.argv[0] else "spawn"  # Python itself starts no archive anew
    child = multiprocessing.get_context(method).Process(target=work)
    child.start()
    child.join()
    assert child.exitcode == 0
"""


@pytest.fixture
def server() -> Iterator[TinyServer]:
    """A server that takes everything."""
    tiny = TinyServer()
    yield tiny
    tiny.close()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """An app and the package in one zip archive; the libraries are those of the tests."""
    folder = tmp_path_factory.mktemp("zip")
    (folder / "app").mkdir()
    (folder / "app" / "__main__.py").write_text(APP)
    copytree(ROOT / "otel_job_measure", folder / "app" / "otel_job_measure", ignore=ignore_patterns("__pycache__"))
    zipapp.create_archive(folder / "app", folder / "app.pyz")
    return [sys.executable, str(folder / "app.pyz")]


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """An app in a folder that PyInstaller made."""
    folder = tmp_path_factory.mktemp("frozen")
    (folder / "app.py").write_text(APP)
    command = [sys.executable, "-m", "PyInstaller", "--log-level=ERROR", "--onedir", "--paths", str(ROOT), "app.py"]
    done = subprocess.run(command, cwd=folder, env=uncovered(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [str(folder / "dist" / "app" / "app")]


def started(command: list[str], *words: str, state_dir: Path, **more: str) -> str:
    """Runs an app, and returns what it prints; it says nothing on stderr."""
    environment = {name: value for name, value in uncovered().items() if name != "PYTHONPATH"}
    environment |= more | {"OTEL_JOB_MEASURE_STATE_DIR": str(state_dir)}
    done = subprocess.run(
        [*command, *words], env=environment, cwd=state_dir.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["archive", "frozen"])
def test_an_app_in_one_piece_measures_and_delivers(
    kind: str, request: pytest.FixtureRequest, server: TinyServer, tmp_path: Path
) -> None:
    """The modules that are loaded late and the SQL files are found; a spawned child measures too."""
    command = request.getfixturevalue(kind)
    started(command, state_dir=tmp_path / "state", **variables(server.url))
    assert sorted(set(delivered(server))) == ["frozen", "of-a-child"]
    assert history(tmp_path / "state") == [("frozen", "end", None), ("of-a-child", "end", None)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["archive", "frozen"])
def test_the_commands_are_in_an_app_in_one_piece(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """`exec` measures, `runs` lists, and the version is known."""
    command = request.getfixturevalue(kind)
    state_dir = tmp_path / "state"
    assert started(command, "exec", "hello", "--", "echo", "hi", state_dir=state_dir) == "hi\n"
    assert "hello" in started(command, "runs", state_dir=state_dir)
    assert "not installed" not in started(command, "--version", state_dir=state_dir)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_frozen_app_finds_both_clients_of_otlp(protocol: str, frozen: list[str], tmp_path: Path) -> None:
    """Both are loaded late: without a receiver the runs wait, and no library is missing."""
    out = started(
        frozen,
        "ship",
        "--once",
        state_dir=tmp_path / "state",
        OTEL_JOB_MEASURE_SINK="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
    )
    assert "not installed" not in out


def test_without_assertions_and_docstrings_it_measures(tmp_path: Path) -> None:
    """`python -OO` takes both away; no behaviour depends on them."""
    code = "import os\nfrom otel_job_measure import JobMeasure\nwith JobMeasure().run('bare'): pass"
    started([sys.executable, "-OO"], "-c", code, state_dir=tmp_path / "state")
    assert history(tmp_path / "state") == [("bare", "end", None)]


def test_commands_need_no_docstrings(tmp_path: Path) -> None:
    """`--help` of each command works under `python -OO`."""
    for command in ("demo", "exec", "rejected", "runs", "ship"):
        words = ["-m", "otel_job_measure", command, "--help"]
        assert "usage" in started([sys.executable, "-OO"], *words, state_dir=tmp_path / "state").lower()
    assert not (tmp_path / "state").exists()
