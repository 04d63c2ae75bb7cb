from datetime import UTC, datetime
from typing import Final

import pytest

from benchmarks.simulation import kinds, together, watch, world
from benchmarks.simulation.score import Score
from otel_job_measure.insight.absence import Evidence, Span

START_S: Final = int(datetime(2026, 3, 14, tzinfo=UTC).timestamp())
"""Before the clocks change in Berlin (29 March) and Lord Howe (5 April)."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [3, 7])
def test_a_checker_makes_no_false_alarm_and_misses_none(seed: int) -> None:
    """Weeks of jobs of all kinds, with outages, dead hosts, wrong clocks, deploys, and a checker that is away."""
    of = world.made(seed, START_S, days=16)
    score = Score()
    jobs = kinds.made(seed, of, 14)
    for job in jobs:
        watch.watched(job, of, score)
    together.hosts_watched(jobs, of, score)
    assert (score.false, score.missed) == ([], [])
    assert score.due > 500
    assert score.found >= {"missed", "failing", "clock"}
    assert score.unknown


def _none(evidence: Evidence) -> tuple[Span, ...]:
    """Returns no outages."""
    del evidence
    return ()


@pytest.mark.timeout(600)
def test_the_simulation_sees_a_checker_that_believes_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what is said of outages, there are false alarms: the counts are not zero by themselves."""
    of = world.made(3, START_S, days=16)
    score = Score()
    monkeypatch.setattr(Evidence, "outages", _none)
    for job in kinds.made(3, of, 10):
        watch.watched(job, of, score)
    assert score.false
