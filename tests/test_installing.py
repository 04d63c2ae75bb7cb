"""The installed command, in every place that installers put it."""

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest
import shortuuid

from tests.support.exec_ import points, run

ROOT: Final = Path(__file__).parents[1]
PIP: Final = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
PYTHON: Final = os.path.realpath(sys.executable)
QUIET: Final = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    call([*PIP, "wheel", *QUIET, "--wheel-dir", folder, ROOT])
    [found] = folder.glob("*.whl")
    return found


def call(command: list[str | Path], environment: Mapping[str, str] | None = None) -> None:
    """Runs an installer."""
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def in_venv(what: Path, folder: Path) -> Path:
    """Installs into a virtual environment."""
    venv.create(folder, symlinks=True)
    call([*PIP, "--python", folder, "install", *QUIET, what])
    return folder / "bin" / "otel-job-measure"


def for_user(what: Path, folder: Path) -> Path:
    """Installs with `pip install --user`."""
    options = ["--user", "--break-system-packages", "--no-warn-script-location"]
    call([*PIP, "--python", PYTHON, "install", *QUIET, *options, what], os.environ | {"PYTHONUSERBASE": str(folder)})
    return folder / "bin" / "otel-job-measure"


def to_folder(option: str, what: Path, folder: Path) -> Path:
    """Installs with `pip install --target` or `--prefix`."""
    options = ["--break-system-packages", "--no-warn-script-location", "--ignore-installed"]
    call([*PIP, "--python", PYTHON, "install", *QUIET, *options, option, folder, what])
    return folder / "bin" / "otel-job-measure"


def with_pipx(what: Path, folder: Path) -> Path:
    """Installs with pipx, which links to the script; it insists on dependencies, so the wheel names none."""
    alone = folder.with_name("alone") / what.name
    alone.parent.mkdir()
    with ZipFile(what) as source, ZipFile(alone, "w") as target:
        for name in source.namelist():
            lines = source.read(name).splitlines(keepends=True)
            target.writestr(name, b"".join(text for text in lines if not text.startswith(b"Requires-Dist:")))
    environment = os.environ | {"PIPX_HOME": str(folder / "home"), "PIPX_BIN_DIR": str(folder / "bin")}
    options = ["--python", PYTHON, "--pip-args", "--no-deps --no-index"]
    call([sys.executable, "-m", "pipx", "install", "--quiet", *options, alone], environment)
    assert (folder / "bin" / "otel-job-measure").is_symlink()
    return folder / "bin" / "otel-job-measure"


def with_uv(what: Path, folder: Path) -> Path:
    """Installs with uv, into a folder whose name has a space."""
    call([sys.executable, "-m", "uv", "--no-cache", "venv", "--offline", "--python", PYTHON, folder])
    call(
        [sys.executable, "-m", "uv", "--no-cache", "pip", "install", "--offline", "--no-deps", "--python", folder, what]
    )
    return folder / "bin" / "otel-job-measure"


WAYS: Final[dict[str, Callable[[Path, Path], Path]]] = {
    "venv": in_venv,
    "a path with spaces": in_venv,
    "x" * 130: in_venv,
    "user": for_user,
    "target": partial(to_folder, "--target"),
    "prefix": partial(to_folder, "--prefix"),
    "pipx": with_pipx,
    "uv venv": with_uv,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_installed_command_measures(way: str, wheel: Path, tmp_path: Path, state_dir: Path) -> None:
    """Wherever it is installed, it finds its Python and its package, whatever the command's Python variables are."""
    program = WAYS[way](wheel, tmp_path / way)
    assert_it_measures(program, tmp_path / way, state_dir)


def test_an_editable_installation_measures(tmp_path: Path, state_dir: Path) -> None:
    """As developers install it: the package is found by the `.pth` file of the environment."""
    build = "import sys; from hatchling.build import build_editable as build;print(build(sys.argv[1]))"
    name = subprocess.run([sys.executable, "-c", build, tmp_path], cwd=ROOT, check=True, capture_output=True, text=True)
    program = in_venv(tmp_path / name.stdout.strip(), tmp_path / "venv")
    assert_it_measures(program, tmp_path / "venv", state_dir)


def test_a_package_in_pythonpath_alone_measures(wheel: Path, tmp_path: Path, state_dir: Path) -> None:
    """If only PYTHONPATH says where the package is, it is found there, and hides nothing of the standard library."""
    program = to_folder("--target", wheel, tmp_path / "target")
    (tmp_path / "target" / "bin").rename(tmp_path / "bin")
    (tmp_path / "target" / "types.py").write_text("raise SystemExit(9)")
    environment = {"PYTHONPATH": f"/no/such:relative:{tmp_path / 'target'}"}
    assert_it_measures(tmp_path / "bin" / program.name, tmp_path / "target", state_dir, environment)


def assert_it_measures(
    program: Path, folder: Path, state_dir: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Asserts that a command runs and is measured, and that it ran before, when a dependency was missing."""
    environment = os.environ | {"PYTHONHASHSEED": "nonsense", "HOME": str(folder), **(environment or {})}
    command = [str(program), "exec", "job", "--", "sh", "-c", "echo goes on; exit 3"]
    done = run(command, environment=environment)
    assert (done.returncode, done.stdout) == (3, b"goes on\n"), done.stderr
    assert done.stderr.endswith(b"No module named 'shortuuid'; the command runs and is not measured\n")
    dependency = Path(shortuuid.__file__).parent
    package = next(path for path in folder.rglob("otel_job_measure*") if not path.is_file() or path.suffix == ".pth")
    (package.parent / dependency.name).symlink_to(dependency)
    done = run(command, environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"goes on\n", b"")
    assert len(points(state_dir)) == 3
