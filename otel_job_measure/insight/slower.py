"""Whether the last runs of a job take longer than those before them."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from statistics import NormalDist, median
from typing import Final

from otel_job_measure import names
from otel_job_measure.history.checked_run import AnyRun
from otel_job_measure.history.mark import Mark
from otel_job_measure.insight.findings import SLOWER, Finding
from otel_job_measure.insight.limits import ended_ns
from otel_job_measure.insight.words import took

LAST: Final = 5
"""The median of so many runs is compared."""
LEAST: Final = 20
"""With fewer runs before them, nothing is said."""
MOST: Final = 100
"""So many runs before them are looked at."""
_LEAST_RATIO: Final = 1.25
_SIGMAS: Final = 2.5
"""A rise by so many deviations counts if each of the last runs is slow."""
_ERRORS: Final = 3.9
"""A smaller one counts if the places of the last runs among those before are so many standard errors too high.

Of steady runs that are looked at 200 times, fewer than one in a hundred is ever called slower.
"""
_FEW: Final = 4
"""The fewer runs there are before, the less their spread is known."""
_SIGMA_OF_MAD: Final = 1.4826
_score: Final = NormalDist().inv_cdf
_LEAST_S: Final = 1e-3
_TINY: Final = 1e-9


def compared(runs: Iterable[AnyRun | Mark]) -> list[AnyRun | Mark]:
    """Returns the runs that ended well and whose durations are known."""
    return [run for run in runs if run.status == names.STATUS_END and run.duration_s is not None]


def slower(counted: Sequence[AnyRun], earlier: Sequence[Mark] = ()) -> Finding | None:
    """Returns a finding that names the first slow run, if the last successes took longer than those before.

    Compared are medians of logarithms: by how many times a run takes longer matters, and single runs do not.

    Args:
        counted: Of `votes`.
        earlier: Runs before them, the oldest first; those that are among them are left out.
    """
    among: Sequence[AnyRun | Mark] = counted
    if earlier:
        known = {run.uuid for run in counted}
        among = [*(run for run in earlier if run.uuid not in known), *counted]
    runs = compared(among)[-(MOST + LAST) :]
    logs = [math.log(max(run.duration_s or 0.0, _LEAST_S)) for run in runs]
    before, last = logs[:-LAST], logs[-LAST:]
    if len(before) < LEAST:
        return None
    usual, now = median(before), median(last)
    if now - usual <= math.log(_LEAST_RATIO):
        return None
    spread = _SIGMA_OF_MAD * median(abs(each - usual) for each in before)
    deviations = (now - usual) / max(spread * (1 + _FEW / len(before)), _TINY)
    if deviations <= 1:
        return None
    border = (usual + now) / 2
    if not (deviations > _SIGMAS and min(last) > border) and _errors_above(before, last) <= _ERRORS:
        return None
    first = runs[_first_slow(logs, border)]
    return Finding(
        name=SLOWER,
        since_ns=ended_ns(first),
        uuid=first.uuid,
        detail=f"{took(math.exp(now))}, before {took(math.exp(usual))}",
    )


def _errors_above(before: Sequence[float], last: Sequence[float]) -> float:
    """Returns by how many standard errors the last runs rank above those before.

    The places among the runs before become normal scores, so this does not depend on how durations are spread.
    """
    in_order, size = sorted(before), len(before)
    scores = (_score((bisect_left(in_order, each) + 0.5) / (size + 1)) for each in last)
    return sum(scores) / math.sqrt(len(last) * (1 + len(last) / size))


def _first_slow(logs: Sequence[float], border: float) -> int:
    """Returns the run from which on most runs lie above a border, and none before it does so better."""
    best, score, first = 0, 0, len(logs) - 1
    for index in range(len(logs) - 1, -1, -1):
        score += 1 if logs[index] > border else -1
        if score >= best and logs[index] > border:
            best, first = score, index
    return first
