"""The table of a job's runs: searched, and paged by the places of the runs, back to the first one."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from otel_job_measure import names
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_order import started_ns
from otel_job_measure.history.run_record import RUNNING, RunRecord
from otel_job_measure.insight.job_runs import Place, RunsPage, newer_runs, older_runs
from otel_job_measure.insight.matching import NS
from otel_job_measure.insight.pictures.kinds import FAILED, LOST, OK, OPEN, UNCOUNTED, Kind, kind_of
from otel_job_measure.insight.run_store import RunStore, Wanted
from otel_job_measure.insight.words import exactly, number, took
from otel_job_measure.timestamps import nanoseconds
from otel_job_measure.web.words import at, outcome

PER_PAGE: Final = 50
_WORDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    OK: (names.STATUS_END,),
    FAILED: (names.STATUS_FAILED,),
    LOST: (names.REASON_LOST,),
    OPEN: (RUNNING,),
    UNCOUNTED: names.UNCOUNTED_REASONS,
}
"""What the store is asked for if runs of one kind are looked for; it may give others too."""
_KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _WORDS}
_time = re.compile(r"-?[0-9]{1,19}").fullmatch
_MOST_NS: Final = 2**63 - 2


class Search(NamedTuple):
    """Which runs of a job the address asks for.

    Args:
        q: A part of an id, a host or an error.
        status: The name of a kind of run.
        at: The local time before which the runs started, as a browser writes it.
        before: The place whose older runs are shown.
        after: The place whose newer runs are shown.
    """

    q: str = ""
    status: str = ""
    at: str = ""
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Search":
        """Reads the parameters of an address; what means nothing counts as not given."""
        status, moment = given.get("status", ""), given.get("at", "")
        before, after = given.get("before", ""), given.get("after", "")
        return cls(
            q=given.get("q", "").strip(),
            status=status if status in _KINDS else "",
            at=moment if _moment_ns(moment) is not None else "",
            before=before if _place_of(before) else "",
            after=after if _place_of(after) else "",
        )

    def fits(self, run: RunRecord) -> bool:
        """Returns whether a run is looked for."""
        if self.status and kind_of(run).name != self.status:
            return False
        texts = (run.uuid, run.host, run.reason, run.error_type, run.error_message, run.task_id)
        return not self.q or any(self.q.casefold() in text.casefold() for text in texts if text)


def page_of(store: RunStore, job: JobId, search: Search, size: int = PER_PAGE) -> RunsPage:
    """Returns the runs that a search finds, whatever their age."""
    kind = _KINDS.get(search.status)
    wanted = Wanted.of_job(job, words=() if kind is None else _WORDS[kind])
    if (after := _place_of(search.after)) is not None:
        return newer_runs(store, wanted, size, after=after, fits=search.fits)
    before = _place_of(search.before)
    moment_ns = _moment_ns(search.at)
    if before is None and moment_ns is not None:
        before = Place(moment_ns - 1, "")
    return older_runs(store, wanted, size, before=before, fits=search.fits)


def table(found: RunsPage, search: Search, address: Callable[..., str]) -> dict[str, Any]:
    """Returns what the template shows of some runs.

    Args:
        found: The runs.
        search: What they were found by.
        address: Returns the address of the page with some parameters changed.
    """
    shown = number(len(found.runs))
    said = f"{shown} of {_runs(found.read)} searched" if search.q else _runs(len(found.runs))
    if found.reached_ns is not None:
        said += f", back to {exactly(found.reached_ns)}"
    return {
        "runs": [_row(run) for run in found.runs],
        "said": said,
        "kinds": [{"name": kind.name, "word": kind.word, "is_chosen": kind.name == search.status} for kind in _WORDS],
        "paging": {
            "newest": address() if found.newer else "",
            "newer": address(after=_text_of(found.newer)) if found.newer else "",
            "older": address(before=_text_of(found.older)) if found.older else "",
            "is_search": found.reached_ns is not None,
        },
    }


def _runs(count: int) -> str:
    return f"{number(count)} run{'' if count == 1 else 's'}"


def run_address(run: RunRecord) -> str:
    """Returns the address of a run's page; with the time, the store need not look through all runs for the id."""
    return f"run?{urlencode({'uuid': run.uuid, 'at': started_ns(run)})}"


def time_in(text: str) -> int | None:
    """Returns the time that an address has, in ns since 1970; None if it has none."""
    return int(text) if _time(text) and abs(int(text)) <= _MOST_NS else None


def _row(run: RunRecord) -> dict[str, Any]:
    return {
        "url": run_address(run),
        "uuid": run.uuid,
        "at": at(started_ns(run)),
        "outcome": outcome(run),
        "took": took(run.duration_s),
        "delay": took(run.lag_s),
        "host": run.host or "",
        "error": run.error_type or "",
    }


def _text_of(place: Place) -> str:
    return f"{place.at_ns}.{place.uuid}"


def _place_of(text: str) -> Place | None:
    moment, _, uuid = text.partition(".")
    at_ns = time_in(moment)
    return None if at_ns is None else Place(at_ns, uuid)


def _moment_ns(text: str) -> int | None:
    """Returns a time that a browser's field has, in the zone of this machine; None if it is none."""
    try:
        at_ns = nanoseconds(datetime.fromisoformat(text).astimezone(UTC)) // NS * NS
    except (ValueError, OverflowError, OSError):
        return None
    return at_ns if abs(at_ns) <= _MOST_NS else None
