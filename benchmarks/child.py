"""A child process with one contender, which runs its job when it is told to and says how long each run took."""

import itertools
import json
import os
import signal
import sys
import time
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.contenders import CONTENDERS
from benchmarks.contenders.contender import AsyncContender, Contender, Where
from benchmarks.steps import steps

_LOOK_S = 0.02
_QUIET_NS = 1_000_000
_MOST_LOOKS = 3000


def main() -> None:
    """Serves one contender until stdin ends."""
    name, where = json.loads(sys.argv[1])
    contender = CONTENDERS[name](Where.from_object(where))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        took_ns = _took_ns(contender, told)
        if told.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        contender.settle()
        _wait_until_quiet()
        print(json.dumps(took_ns.tolist()), flush=True)
    contender.close()


def _took_ns(contender: Contender, told: dict[str, Any]) -> "array[int]":
    """Has the contender run the job as it was told: one after another, in threads, or in tasks of an event loop."""
    most, for_s, threads = told["most"], told["for_s"], told.get("threads", 1)
    if told.get("tasks"):
        assert isinstance(contender, AsyncContender)
        return steps(contender.run_async, tasks=told["tasks"], most=most, for_s=for_s)
    if threads == 1:
        return timed(contender.run, most=most, for_s=for_s)
    with ThreadPoolExecutor(threads) as pool:
        found = [pool.submit(timed, contender.run, most=most, for_s=for_s) for _ in range(threads)]
        return array("q", itertools.chain.from_iterable(each.result() for each in found))


def timed(run: Callable[[], object], *, most: int, for_s: float) -> "array[int]":
    """Times single runs.

    Args:
        run: What is timed.
        most: How many runs at most.
        for_s: How long to go on, in seconds.

    Returns:
        How long each run took, in ns.
    """
    took_ns = array("q")
    keep, clock = took_ns.append, time.perf_counter_ns
    ends = clock() + int(for_s * 1e9)
    for _ in range(most):
        began = clock()
        run()
        ended = clock()
        keep(ended - began)
        if ended >= ends:
            break
    return took_ns


def _wait_until_quiet() -> None:
    """Waits until this process's threads have come to rest, so that they do not disturb the next contender."""
    for _ in range(_MOST_LOOKS):
        before = time.process_time_ns()
        time.sleep(_LOOK_S)
        if time.process_time_ns() - before < _QUIET_NS:
            return


if __name__ == "__main__":
    main()
