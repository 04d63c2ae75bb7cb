"""What holds of a job, in words."""

from typing import Final

import pytest

from otel_job_measure.insight import findings
from otel_job_measure.insight.finding_words import words_of
from otel_job_measure.insight.findings import Finding

SAID: Final = (
    (findings.SILENT, "its signs of life stopped", "a run is open: its signs of life stopped"),
    (findings.SILENT, "", "a run is open, but silent"),
    (findings.OVERRUN, "it still runs", "a run exceeds its longest time: it still runs"),
    (findings.STALE, "", "its last success is too long ago"),
    (findings.STALE, "no success yet", "it should have succeeded by now: no success yet"),
    (findings.FAILING, "the last run failed: error", "the last run failed: error"),
    (findings.FAILING, "", "it fails"),
    (findings.HOST_SILENT, "its sender fell silent", "nothing comes from the host: its sender fell silent"),
    (findings.CLOCK, "its clock is ahead", "the host writes wrong times: its clock is ahead"),
)


@pytest.mark.parametrize(("name", "detail", "says"), SAID)
def test_a_detail_does_not_repeat_the_sentence(name: str, detail: str, says: str) -> None:
    """Each is said once."""
    assert words_of(Finding(name=name, since_ns=0, detail=detail), str) == says


@pytest.mark.parametrize(
    ("name", "says"),
    [(findings.LATE, "it has not started, due 7"), (findings.NEVER_RAN, "it has never run, due 7")],
)
def test_the_due_time_is_told_once(name: str, says: str) -> None:
    """It stands behind the words."""
    assert words_of(Finding(name=name, since_ns=0, due_ns=7), str) == says
