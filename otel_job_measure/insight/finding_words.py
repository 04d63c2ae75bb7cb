"""What holds of a job, in words with its evidence."""

from collections.abc import Callable
from typing import Final

from otel_job_measure.insight import findings
from otel_job_measure.insight.findings import Finding

IDLE: Final = "idle"
"""The state of a job that is not judged: nothing is expected of it, and it has not run for two days."""

_TEXTS: Final = {
    findings.SILENT: "a run is open, but silent",
    findings.OVERRUN: "a run exceeds its longest time",
    findings.MISSED: "no run started in time",
    findings.NEVER_RAN: "it has never run",
    findings.FAILING: "it fails",
    findings.STALE: "its last success is too long ago",
    findings.UNKNOWN: "its state is not known",
    findings.TOO_OFTEN: "the last two starts are too close together",
    findings.TOO_SHORT: "the last run was shorter than it should be",
    findings.LATE: "it has not started",
    findings.SLOWER: "the last runs took longer than those before",
    findings.RUNNING: "a run is open",
    findings.FINE: "nothing is wrong",
    findings.HOST_SILENT: "nothing comes from the host",
    findings.CLOCK: "the host writes wrong times",
    IDLE: "nothing is expected of it, and it has not run for two days",
}
_WITH_DETAIL: Final = {
    findings.SILENT: "a run is open",
    findings.STALE: "it should have succeeded by now",
    findings.FAILING: "",
}
"""What is said instead before a detail that would repeat the sentence."""


def words_of(finding: Finding, time_of: Callable[[int], str]) -> str:
    """Returns a finding in one sentence, such as `no run started in time, due 2026-11-29 02:05: 3 in a row`.

    Args:
        finding: What holds.
        time_of: Returns a time in ns since 1970 as its reader wants it.
    """
    due = "" if finding.due_ns is None else f", due {time_of(finding.due_ns)}"
    text = _TEXTS.get(finding.name, finding.name)
    if finding.detail:
        text = _WITH_DETAIL.get(finding.name, text)
    return ": ".join(filter(None, (f"{text}{due}", finding.detail)))


def idle_words() -> str:
    """Returns what it means that a job is not judged."""
    return _TEXTS[IDLE]
