import importlib
import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from tests.support.uncovered import uncovered

ROOT = Path(__file__).parents[1]
PUBLIC_NAMES = [
    "Health",
    "JobMeasure",
    "JobRun",
    "JobSpanProcessor",
    "Outcome",
    "RunHandle",
    "Settings",
    "SpanRule",
    "compose",
    "compose_sync",
    "job_measure",
    "job_measure_sync",
]
# Watches an import in a process of its own: what it opens, starts, loads and reads of the environment.
WATCHED_IMPORT = """
import json, os, sys, threading

seen = {"files": [], "written": [], "threads": [], "sockets": [], "environment": []}
source = (".py", ".pyc", ".so")

def callers():
    frame = sys._getframe(2)
    return {frame.f_globals.get("__name__"), frame.f_back and frame.f_back.f_globals.get("__name__")}

def hook(event, args):
    if event == "open":
        path, _, flags = args
        if not str(path).endswith(source):
            seen["files"].append(str(path))
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen["written"].append(str(path))
    elif event in ("os.mkdir", "os.remove", "os.rename", "sqlite3.connect"):
        seen["written"].append(event)
    elif event in ("os.fork", "os.posix_spawn", "subprocess.Popen"):
        seen["threads"].append(event)
    elif event.startswith("socket.") and "urllib3.util.connection" not in callers():
        seen["sockets"].append(event)  # urllib3 itself tries whether this machine has IPv6

start = threading.Thread.start  # 3.11 has no audit event for it

def watched_start(thread):
    seen["threads"].append(thread.name)
    start(thread)

threading.Thread.start = watched_start

class Watched(type(os.environ)):
    def __getitem__(self, name):
        return self.note(name) or super().__getitem__(name)

    def __contains__(self, name):
        return self.note(name) or super().__contains__(name)

    def __iter__(self):
        self.note("*")
        return super().__iter__()

    def note(self, name):
        frame = sys._getframe(2)
        while frame.f_globals.get("__name__") in ("os", "collections.abc", "_collections_abc"):
            frame = frame.f_back
        reader = frame.f_globals.get("__name__", "")
        if reader.partition(".")[0] == "otel_job_measure":
            seen["environment"].append(f"{reader}: {name}")

os.environ.__class__ = Watched
before = set(sys.modules)
sys.addaudithook(hook)
"""
# Every module of the package, even those that nothing imports, but for those that only `delivery.libraries` loads:
# they bring urllib3, which binds a socket to find out whether the machine has IPv6. The hook is PyInstaller's.
IMPORT_ALL = """
import importlib, pathlib, otel_job_measure
folder = pathlib.Path(otel_job_measure.__file__).parent
LOADED_LATE = {"__main__", "deadline", "http", "client", "http_client", "grpc_client", "messages", "children"}
LOADED_LATE.add("hook-otel_job_measure")
for path in sorted(folder.rglob("*.py")):
    parts = path.relative_to(folder.parent).with_suffix("").parts
    if parts[-1] not in LOADED_LATE:
        importlib.import_module(".".join(parts).removesuffix(".__init__"))
"""
TELL = "\nseen['modules'] = sorted(set(sys.modules) - before); print(json.dumps(seen))"


def watched(code: str) -> dict[str, list[str]]:
    """Returns what was seen while `code` ran in a new process."""
    environment = uncovered()
    command = [sys.executable, "-B", "-c", WATCHED_IMPORT + code + TELL]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    seen: dict[str, list[str]] = json.loads(done.stdout)
    return seen


def test_the_public_names_are_pinned() -> None:
    """The package offers exactly the names that users were promised, sorted, and each can be had."""
    package = importlib.import_module("otel_job_measure")
    assert package.__all__ == PUBLIC_NAMES
    assert set(PUBLIC_NAMES) <= set(dir(package))
    for name in PUBLIC_NAMES:
        assert getattr(package, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Names that are resolved lazily don't make others up."""
    package = importlib.import_module("otel_job_measure")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name


def test_imports_go_down_only() -> None:
    """The layers of the package import only what is below them."""
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_import_loads_nothing_heavy() -> None:
    """`import otel_job_measure` loads neither the SDK nor influxdb-client nor SQLite."""
    loaded = watched("import otel_job_measure")["modules"]
    assert "otel_job_measure" in loaded
    heavy = ("opentelemetry.sdk", "influxdb_client", "urllib3", "sqlite3", "rich", "asyncio", "requests")
    assert [name for name in loaded if name.startswith(heavy)] == []


def test_an_import_does_nothing() -> None:
    """`import otel_job_measure` opens only sources, starts no thread, doesn't look at the environment."""
    seen = watched("import otel_job_measure")
    del seen["modules"]
    assert seen == {"files": [], "written": [], "threads": [], "sockets": [], "environment": []}


def test_no_module_does_anything_when_imported() -> None:
    """Importing every module of the package writes no file, starts no thread and reads no variable."""
    seen = watched(IMPORT_ALL)
    assert {key: seen[key] for key in ("written", "threads", "sockets", "environment")} == {
        "written": [],
        "threads": [],
        "sockets": [],
        "environment": [],
    }


def test_the_watch_sees() -> None:
    """The watch that the tests above rely on does see a file, a thread and a look at the environment."""
    code = (
        "open(os.devnull, 'w').close()\n"
        "t = threading.Thread(target=int, name='a thread'); t.start(); t.join()\n"
        'exec(\'os.environ.get("A"); os.getenv("B"); "C" in os.environ; dict(os.environ)\','
        "{'os': os, '__name__': 'otel_job_measure.x'})"
    )
    seen = watched(code)
    assert seen["files"] == seen["written"] == [os.devnull]
    assert seen["threads"] == ["a thread"]
    assert {note.removeprefix("otel_job_measure.x: ") for note in seen["environment"]} >= {"A", "B", "C", "*"}


def test_the_types_are_shipped() -> None:
    """Type checkers of users find the marker that the package is typed."""
    assert resources.files("otel_job_measure").joinpath("py.typed").is_file()
