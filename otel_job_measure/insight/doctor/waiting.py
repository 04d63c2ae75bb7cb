"""What waits in the state directory, and why: told with what is known of the server."""

import re
from collections.abc import Iterator
from typing import Final

from otel_job_measure.insight.doctor.finding import OK, PROBLEM, WARNING, Finding, number, size, span
from otel_job_measure.insight.doctor.folder import Waiting, waiting
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.settings import Settings
from otel_job_measure.settings.model import ANY, LOCAL

_SOON_S: Final = 120.0
"""A healthy sender needs no longer."""
_LONG_S: Final = 3600.0
_SHIP: Final = "`otel-job-measure ship --once`"


_is_id = re.compile(r"[0-9a-f]{12}").fullmatch


def examined(local: Settings, destination: str, trouble: str, now_ns: int) -> Iterator[Finding]:
    """Yields a finding for each destination that something waits for.

    Args:
        local: Settings with the state directory.
        destination: The id of the destination of the settings.
        trouble: Why the server takes nothing; empty if it does, or if nothing is known of it.
        now_ns: The time.
    """
    if local.in_memory:
        return
    found = list(waiting(StateDir(local.state_path)))
    if not found:
        yield Finding(check="state.waiting", text="Nothing waits to be sent from ended processes.")
    for each in found:
        age_s = max(0.0, (now_ns - each.oldest_ns) / 1e9)
        level, why, advice = _why(each, destination, trouble, age_s)
        text = f"{size(each.bytes)} in {number(each.segments, 'file')} wait, the oldest for {span(age_s)}: {why}."
        facts = {
            "destination": each.destination,
            "label": each.label,
            "bytes": each.bytes,
            "segments": each.segments,
            "oldest_ns": each.oldest_ns,
        }
        yield Finding(check="state.waiting", level=level, text=text, advice=advice, facts=facts)


def _why(each: Waiting, destination: str, trouble: str, age_s: float) -> tuple[int, str, str]:
    """Returns the level, why points wait, and what to do."""
    if each.destination == LOCAL:
        return OK, "they have no server, and go into the local history", "`otel-job-measure runs` takes them in"
    if each.destination not in (destination, ANY):
        return WARNING, *_of_another(each)
    if trouble:
        return (
            PROBLEM if age_s > _LONG_S else WARNING,
            trouble,
            "mend the server's findings; they are sent by themselves",
        )
    if age_s < _SOON_S:
        return OK, "they are on their way", ""
    level = PROBLEM if age_s > _LONG_S else WARNING
    if each.destination == ANY:
        return level, "their processes do not send, and no `ship` took them", "run `otel-job-measure ship` as a service"
    return level, "no process sends them now", f"the next run does, or {_SHIP}"


def _of_another(each: Waiting) -> tuple[str, str]:
    why = f"they are for {each.label}, which is not the server of these settings"
    if not _is_id(each.destination):  # a name that another process chose must not get into a command line
        return why, "look at them in ready/: their id is none of this package's"
    return why, f"`otel-job-measure ship --once --redirect {each.destination}` sends them to the present server"
