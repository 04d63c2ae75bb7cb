"""Asks a history everything, in a process of its own: `python -m benchmarks.asked FOLDER`; prints JSON."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from otel_job_measure.clock import SystemClock
from otel_job_measure.history.history import History
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.run_store import ALL, RunStore, Wanted

_TIMES: Final = 3
_RARE: Final = Wanted(job="job-00001")


def questions(week_ns: int) -> Mapping[str, Callable[[RunStore], object]]:
    """Returns the questions by their names; `week_ns` is when the last week began."""
    week, pattern = Wanted(since_ns=week_ns), Wanted(job="job-*1", words=("failed",))
    return {
        "the latest 20 runs": lambda store: store.latest(ALL, 20),
        "of one job": lambda store: store.latest(_RARE, 20),
        "of a host that has none": lambda store: store.latest(Wanted(host="nowhere"), 20),
        "the number of runs": lambda store: store.count(ALL),
        "of failed ones, by a pattern": lambda store: store.count(pattern),
        "a summary of each job": lambda store: store.summaries(ALL),
        "over the last week": lambda store: store.summaries(week),
        "of one job, summed up": lambda store: store.summaries(_RARE),
        "the last 20 runs of each job": lambda store: store.recent(ALL, 20),
        "of one job, in short": lambda store: store.recent(_RARE, 20),
        "open runs": lambda store: store.open_runs(ALL),
        "the last run and success of each job": lambda store: store.last_runs(ALL),
        "failures by job and reason": lambda store: store.failures(ALL),
        "a run by its id": lambda store: store.find("abcd"),
        "the attempts of a task": lambda store: store.attempts("task-77"),
        "1,000 runs in their order": lambda store: list(islice(store.starts(ALL), 1000)),
    }


def main() -> None:
    """Prints how long each answer takes, in seconds, the least of three, and the most memory in bytes."""
    clock = SystemClock()
    store = HistoryStore(History(Path(sys.argv[1], "history.db"), retention_s=1e9), clock)
    took = {name: min(_took(ask, store) for _ in range(_TIMES)) for name, ask in questions(_week_ns(store)).items()}
    print(json.dumps({"took_s": took, "peak_bytes": _peak_bytes()}))


def _week_ns(store: RunStore) -> int:
    (last,) = store.latest(ALL, 1)
    return (last.started_ns or 0) - 7 * 86_400 * 10**9


def _peak_bytes() -> int:
    """Returns the most memory since this program began: `getrusage` counts that of its parent too."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _took(ask: Callable[[RunStore], object], store: RunStore) -> float:
    began_s = time.perf_counter()
    ask(store)
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
