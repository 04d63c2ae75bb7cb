"""How a run, or the lack of one, is shown: each kind has a class for its colour, a shape and a word."""

from typing import Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.history.mark import Mark
from otel_job_measure.history.run_record import RUNNING, RunRecord


class Kind(NamedTuple):
    """A kind of mark.

    Args:
        name: The class.
        word: What people read.
        sign: A character for texts, so that no meaning is in a colour alone.
    """

    name: str
    word: str
    sign: str


OK: Final = Kind("ok", "ok", "✓")
FAILED: Final = Kind("failed", "failed", "✕")
LOST: Final = Kind("lost", "lost", "✕")
UNCOUNTED: Final = Kind("uncounted", "not counted", "·")
OPEN: Final = Kind("running", "running", "▸")
MISSED: Final = Kind("missed", "missed", "○")
SKIPPED: Final = Kind("skipped", "skipped", "·")
UNSURE: Final = Kind("unsure", "unknown", "?")
KINDS: Final = (OK, UNCOUNTED, SKIPPED, OPEN, UNSURE, FAILED, LOST, MISSED)
"""In the order in which they are drawn: the later ones are on top."""


def kind_of(run: RunRecord | Mark) -> Kind:
    """Returns how a run is shown."""
    if run.status == RUNNING:
        return OPEN
    if run.status == names.STATUS_END:
        return OK
    if run.reason in names.UNCOUNTED_REASONS:
        return UNCOUNTED
    return LOST if run.reason == names.REASON_LOST else FAILED
