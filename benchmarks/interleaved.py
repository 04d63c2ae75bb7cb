"""Several contenders, each in a process of its own, by turns."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.contenders.contender import Where
from benchmarks.contenders.node import NODE, node_command
from benchmarks.samples import Samples

ROOT: Final = Path(__file__).parents[1]
_SEED: Final = 4
_LONG_S: Final = 60.0
_VERY_LONG_S: Final = 3600.0
_AT_A_TIME: Final = 100_000
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How the contenders take turns.

    Args:
        rounds: How many times each has its turn, after one to warm up; the order changes from round to round.
        most: How many runs a turn has at most.
        for_s: How long a turn lasts at most, in seconds.
        threads: How many threads run the job at once.
        tasks: How many tasks of an event loop do; 0 for the synchronous job.
    """

    rounds: int
    most: int
    for_s: float
    threads: int = 1
    tasks: int = 0


def interleaved(contenders: Mapping[str, Where], turns: Turns) -> dict[str, Samples]:
    """Times contenders by turns.

    Args:
        contenders: Where each keeps and sends what it measures, by its name.
        turns: How they take turns.

    Returns:
        Their samples, by name.
    """
    with started(contenders) as children:
        return by_turns(children, turns)


def by_turns(children: Mapping[str, "Child"], turns: Turns) -> dict[str, Samples]:
    """Times children that are already there.

    Args:
        children: The children, by any names.
        turns: How they take turns.

    Returns:
        Their samples, by name.
    """
    samples = {name: Samples() for name in children}
    chance = random.Random(_SEED)  # noqa: S311 - the order of turns is no secret
    for child in children.values():
        child.turn(turns)
    for _ in range(turns.rounds):
        order = list(children)
        chance.shuffle(order)
        for name in order:
            samples[name].rounds.append(children[name].turn(turns))
    return samples


class Child:
    """A child process with one contender.

    Args:
        name: The contender's; what follows a slash tells several of one kind apart.
        where: Where it keeps and sends what it measures.
    """

    def __init__(self, name: str, where: Where) -> None:
        where.folder.mkdir(parents=True, exist_ok=True)
        self._name = name
        told = json.dumps([name.partition("/")[0], where.as_object()])
        command = node_command() if name == NODE else [sys.executable, "-m", "benchmarks.child"]
        self._process = subprocess.Popen(
            [*command, told],
            cwd=ROOT,
            env=environment(where.folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        """Waits until it is ready."""
        self._answer()

    def turn(self, turns: Turns) -> list[int]:
        """Lets it run for one turn.

        Returns:
            How long each run took, in ns.
        """
        self.begin(turns)
        return self.took()

    def begin(self, turns: Turns) -> None:
        """Lets it run for one turn, without waiting for it."""
        self._tell(asdict(turns))

    def took(self) -> list[int]:
        """Waits for the end of its turn.

        Returns:
            How long each run took, in ns.
        """
        took: list[int] = self._answer()
        return took

    def age(self, runs: int) -> None:
        """Lets it run the job so many times, however long that takes."""
        for before in range(0, runs, _AT_A_TIME):
            self._tell({"most": min(_AT_A_TIME, runs - before), "for_s": _VERY_LONG_S})
            self._answer()

    def resident_bytes(self) -> int:
        """Returns how much memory it has."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * _PAGE

    def leave(self) -> None:
        """Lets it end as its contender wants it ended, without waiting for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> None:
        """Ends it as its contender wants it ended."""
        self.leave()
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            stdout.read()
        self._process.wait()

    def kill_after(self, runs: int) -> None:
        """Lets it run the job so many times and end itself by SIGKILL right after the last."""
        self._tell({"most": runs, "for_s": _LONG_S, "kill": True})
        self._process.communicate()

    def _tell(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> Any:  # noqa: ANN401 - it comes from JSON
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the child of {self._name!r} ended with {self._process.wait()}")
        return json.loads(line)


@contextmanager
def started(contenders: Mapping[str, Where]) -> Generator[dict[str, Child]]:
    """Starts a child for each contender, and ends all of them."""
    children: dict[str, Child] = {}
    try:
        for name, where in contenders.items():
            children[name] = Child(name, where)
        for child in children.values():
            child.ready()
        yield children
    finally:
        for child in children.values():
            child.leave()
        for child in children.values():
            child.end()


def environment(home: Path) -> dict[str, str]:
    """Returns the environment of a child: nothing of the user's own settings goes in."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "PYTHONPATH": str(ROOT)}
