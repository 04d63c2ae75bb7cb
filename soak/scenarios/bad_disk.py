"""The state directory is full, read-only, forbidden, or changed by other programs."""

import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from soak.asked import MODULE, Asked
from soak.fault import fault
from soak.found import in_history, in_influx
from soak.ground import Ground
from soak.namespaces import inside, on_tmpfs, without_a_name
from soak.secrecy import keeps_secret
from soak.tally import Row

_RUNS: Final = 30


def fill(path: Path) -> None:
    """Writes a file that takes all the room that is left."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with suppress(OSError):
        while os.write(fd, bytes(4096)):
            pass
    os.close(fd)


_NO_HOME = {"HOME": "/proc/none", "XDG_STATE_HOME": ""}
"""Without these, a user who cannot use the state directory keeps the runs in a folder of the home directory."""


@fault("the disk is full for a while", brief=2, long=50, influx=True)
def full(ground: Ground) -> Row:
    """Points wait in memory, the log says it once, and all are there when there is room again."""
    bucket = ground.server.new_bucket()
    asked = on_tmpfs(ground, "1m", **ground.server.variables(bucket))
    filler = inside(asked, ground.state_dir / "filler")
    asked.runs(_RUNS)
    for _ in range(ground.times):
        fill(filler)
        asked.runs(_RUNS)
        filler.unlink()
        asked.runs(_RUNS)
        ground.expect(asked.flush(30), "what waited for room was not delivered")
    errors = [line for line in asked.said("ERROR") if "cannot be written" in line]
    ground.expect(len(errors) == 1, f"the log says {len(errors)} times that the disk is full: {errors[:2]}")
    asked.end()
    keeps_secret(ground, ground.server.token)
    return ground.row(in_influx(ground.server, bucket))


@fault("the disk is full when a process begins", brief=1, long=5, influx=True)
def full_at_the_start(ground: Ground) -> Row:
    """There is not even room for a first segment: points are delivered from memory, and one warning says so."""
    bucket = ground.server.new_bucket()
    prepare = "head -c 2000000 /dev/zero >$STATE/filler 2>/dev/null"
    asked = on_tmpfs(ground, "1m", prepare, **ground.server.variables(bucket))
    for _ in range(ground.times):
        asked.runs(_RUNS)
    ground.expect(asked.flush(30), "points in memory were not delivered")
    warnings = [line for line in asked.said("WARNING") if "kept in memory" in line]
    ground.expect(len(warnings) == 1, f"the log says {len(warnings)} times that points are in memory")
    asked.end()
    return ground.row(in_influx(ground.server, bucket))


@fault("the file system is read-only", brief=1, long=1, influx=True)
def read_only(ground: Ground) -> Row:
    """Points are delivered from memory, and one warning says so."""
    bucket = ground.server.new_bucket()
    prepare = "mount -o remount,ro $STATE"
    asked = on_tmpfs(ground, "1m", prepare, **ground.server.variables(bucket), **_NO_HOME)
    return _from_memory(ground, asked, bucket)


@fault("no permission, no home, no name for the user", brief=1, long=1, influx=True)
def forbidden(ground: Ground) -> Row:
    """A user without an account, whose state directory belongs to another user: points are delivered from memory."""
    bucket = ground.server.new_bucket()
    ground.state_dir.mkdir(mode=0)
    variables = ground.server.variables(bucket)
    app = [*without_a_name(), sys.executable, "-m", MODULE]
    _from_memory(ground, Asked(ground, *app, **variables, **_NO_HOME), bucket)
    homeless = dict.fromkeys(("HOME", "XDG_STATE_HOME", "OTEL_JOB_MEASURE_STATE_DIR"), "")
    asked = Asked(ground, *app, **variables, **homeless)
    asked.runs(_RUNS)
    ground.expect(asked.flush(30), "a user without a home has lost points")
    asked.end()
    ground.expect("no home directory" in asked.app.stderr, "the log does not say that there is no home directory")
    ground.state_dir.chmod(0o700)
    return ground.row(in_influx(ground.server, bucket))


def _from_memory(ground: Ground, asked: Asked, bucket: str) -> Row:
    asked.runs(_RUNS)
    ground.expect(asked.flush(30), "points in memory were not delivered")
    warnings = [line for line in asked.said("WARNING") if "kept in memory" in line]
    ground.expect(len(warnings) == 1, f"the log says {len(warnings)} times that points are in memory")
    asked.end()
    return ground.row(in_influx(ground.server, bucket))


def _remove(path: Path) -> None:
    """Deletes a file or a whole folder, as `rm -r` does, with others at work in it."""
    if path.is_dir() and not path.is_symlink():
        for entry in list(path.iterdir()):
            _remove(entry)
        with suppress(OSError):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _garbage(path: Path, ground: Ground) -> None:
    with path.open("r+b") as file:
        size = max(1, path.stat().st_size)
        file.seek(ground.rng.randrange(size))
        file.write(ground.rng.randbytes(ground.rng.randrange(1, 2 * size)))


def _truncate(path: Path, ground: Ground) -> None:
    os.truncate(path, ground.rng.randrange(path.stat().st_size + 1))


HARMS: Final[Mapping[str, Callable[[Path, Ground], None]]] = {
    "deleted": lambda path, _ground: _remove(path),
    "truncated": _truncate,
    "overwritten": _garbage,
    "emptied": lambda path, _ground: os.truncate(path, 0),
}
VICTIMS: Final = (
    "slots/*/*.lp",
    "slots/*/lock",
    "history.db",
    "history.lock",
    "adopt.lock",
    "slots/*",
    "slots",
    "ready",
    "rejected",
    "",
)


@fault("the package's files deleted, cut, overwritten under a running process", brief=25, long=600, influx=True)
def vandals(ground: Ground) -> Row:
    """Whatever InfluxDB has had is there, whatever runs afterwards arrives, and the history goes on."""
    bucket = ground.server.new_bucket()
    asked = Asked(ground, **ground.server.variables(bucket), OTEL_JOB_MEASURE_MAX_BYTES="1MiB")
    for _ in range(ground.times):
        asked.runs(_RUNS)
        ground.expect(asked.flush(30), f"what ran after {_} harms was not delivered")
        pattern = ground.rng.choice(VICTIMS)
        found = list(ground.state_dir.glob(pattern)) if pattern else [ground.state_dir]
        if found:
            victim = ground.rng.choice(found)
            how = "deleted" if victim.is_dir() else ground.rng.choice(list(HARMS))
            HARMS[how](victim, ground)
    asked.runs(_RUNS)
    ground.expect(asked.flush(30), "what ran after the last harm was not delivered")
    asked.end()
    keeps_secret(ground, ground.server.token)
    _remove(ground.state_dir / "rejected")  # bytes of the vandal's
    return ground.row(in_influx(ground.server, bucket))


@fault("the history is locked by another program", brief=1, long=3, influx=True)
def locked_history(ground: Ground) -> Row:
    """InfluxDB gets everything meanwhile, no job waits, and the history has everything afterwards."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    asked = Asked(ground, **variables)
    asked.runs(_RUNS)
    ground.expect(asked.ask("close") == "True", "the first runs were not delivered")
    for _ in range(ground.times):
        with closing(sqlite3.connect(ground.state_dir / "history.db", isolation_level=None)) as shell:
            shell.execute("BEGIN EXCLUSIVE")
            asked.runs(_RUNS)
            ground.expect(asked.flush(30), "InfluxDB did not get what the history could not take")
            asked.ask("close")
            shell.execute("ROLLBACK")
    asked.end()
    ground.expect(not asked.said("ERROR"), f"an error was logged: {asked.said('ERROR')[:2]}")
    ended = in_history(ground.state_dir)
    ground.expect(ended == dict.fromkeys(ground.books.begun, "end"), "the history lacks runs")
    return ground.row(in_influx(ground.server, bucket))


@fault("the history is of a newer version", brief=1, long=1, influx=True)
def newer_history(ground: Ground) -> Row:
    """InfluxDB gets everything, the file is left as it is, and the log says once what to do."""
    bucket = ground.server.new_bucket()
    variables = ground.server.variables(bucket)
    first = Asked(ground, **variables)
    first.runs(_RUNS)
    first.end()
    history = ground.state_dir / "history.db"
    with closing(sqlite3.connect(history)) as shell:
        shell.execute("PRAGMA user_version = 99")
    before = history.read_bytes()
    asked = Asked(ground, **variables)
    asked.runs(_RUNS)
    ground.expect(asked.flush(30), "InfluxDB did not get what the history could not take")
    asked.end()
    ground.expect(history.read_bytes() == before, "a history of a newer version was changed")
    said = [line for line in asked.said("WARNING") if "newer version" in line]
    ground.expect(len(said) == 1, f"the log says {len(said)} times that the history is of a newer version")
    return ground.row(in_influx(ground.server, bucket))
