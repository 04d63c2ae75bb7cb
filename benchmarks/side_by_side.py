"""Several contenders in one process, by turns of a few runs: for differences that are smaller than those of processes.

`python -m benchmarks.side_by_side '{"contenders": …, "blocks": …}'` prints how long each run took. Two processes with
the same contender differ by more than a microsecond, in where their memory lies; and so do two seconds of one machine.
"""

import gc
import json
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.child import timed
from benchmarks.contenders import CONTENDERS
from benchmarks.contenders.contender import Contender, Where
from benchmarks.interleaved import ROOT, environment
from benchmarks.samples import Samples

_SEED: Final = 4
_LONG_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """How the contenders take turns.

    Args:
        rounds: How many blocks each has; the order changes from round to round.
        warm_up: How many rounds before those.
        runs: How many runs a block has.
    """

    rounds: int
    warm_up: int
    runs: int


def side_by_side(contenders: Mapping[str, Where], blocks: Blocks) -> dict[str, Samples]:
    """Times contenders by turns, all of them in one child process.

    Args:
        contenders: Where each keeps and sends what it measures, by its name.
        blocks: How they take turns.

    Returns:
        Their samples, by name.
    """
    told = {"contenders": {name: where.as_object() for name, where in contenders.items()}, "blocks": asdict(blocks)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.side_by_side", json.dumps(told)],
        cwd=ROOT,
        env=environment(next(iter(contenders.values())).folder),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return {name: Samples(rounds) for name, rounds in found.items()}


def main() -> None:
    """Times the contenders that it is told."""
    told = json.loads(sys.argv[1])
    contenders = {name: CONTENDERS[name](Where.from_object(where)) for name, where in told["contenders"].items()}
    print(json.dumps(_took_ns(contenders, Blocks(**told["blocks"]))))
    for contender in contenders.values():
        contender.close()


def _took_ns(contenders: Mapping[str, Contender], blocks: Blocks) -> dict[str, list[list[int]]]:
    chance = random.Random(_SEED)  # noqa: S311 - the order of turns is no secret
    took_ns: dict[str, list[list[int]]] = {name: [] for name in contenders}
    order = list(contenders)
    gc.freeze()
    gc.disable()  # whose turn it is when the garbage is collected would be chance
    for number in range(blocks.warm_up + blocks.rounds):
        chance.shuffle(order)
        for name in order:
            contenders[name].settle()  # every block begins with empty queues, and is too short to fill one
            took = timed(contenders[name].run, most=blocks.runs, for_s=_LONG_S)
            if number >= blocks.warm_up:
                took_ns[name].append(took.tolist())
        gc.collect()
    return took_ns


if __name__ == "__main__":
    main()
