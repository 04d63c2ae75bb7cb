"""A long time in windows, so that an answer fits into memory however many rows there are."""

from collections.abc import Callable, Iterator, Sized
from typing import Final, NamedTuple, TypeVar

from otel_job_measure.errors import StoreError
from otel_job_measure.insight.influxdb.ask import FIRST_NS, LAST_NS, MOST_ROWS, TooManyRowsError
from otel_job_measure.insight.run_store import Wanted

_T = TypeVar("_T", bound=Sized)

WIDTH_NS: Final = 600_000_000_000
"""How long the first window is."""
_AIM: Final = MOST_ROWS // 4
"""About so many rows a window should have."""
_MOST_LONGER: Final = 1024
"""So many times longer than the window before it is a window at most; an empty one says little about the next."""
_SHORTER: Final = 16
"""So many times shorter is a window after one of too many rows."""


class Window(NamedTuple):
    """A part of a time; the end does not belong to it."""

    since_ns: int
    until_ns: int

    def within(self, other: "Window") -> "Window":
        """Returns what both have in common, which is empty if it ends before it begins."""
        return Window(max(self.since_ns, other.since_ns), min(self.until_ns, other.until_ns))


EVER: Final = Window(FIRST_NS, LAST_NS)


def time_of(wanted: Wanted) -> Window:
    """Returns the time in which wanted runs began."""
    since_ns = FIRST_NS if wanted.since_ns is None else wanted.since_ns
    return Window(since_ns, LAST_NS if wanted.until_ns is None else wanted.until_ns).within(EVER)


def newest_first(fetch: Callable[[Window], _T], whole: Window, width_ns: int = WIDTH_NS) -> Iterator[tuple[Window, _T]]:
    """Yields windows from the newest to the oldest, with what was fetched in each.

    Args:
        fetch: Returns what is in a window, as long as it has rows, or raises `TooManyRowsError`.
        whole: The time.
        width_ns: How long the first window is.
    """
    until_ns = whole.until_ns
    while until_ns > whole.since_ns:
        window = Window(max(whole.since_ns, until_ns - width_ns), until_ns)
        found, width_ns = _fetched(fetch, window)
        if found is not None:
            yield window, found
            until_ns = window.since_ns


def oldest_first(fetch: Callable[[Window], _T], whole: Window, width_ns: int = WIDTH_NS) -> Iterator[tuple[Window, _T]]:
    """Yields windows from the oldest to the newest, with what was fetched in each; see `newest_first`."""
    since_ns = whole.since_ns
    while since_ns < whole.until_ns:
        window = Window(since_ns, min(whole.until_ns, since_ns + width_ns))
        found, width_ns = _fetched(fetch, window)
        if found is not None:
            yield window, found
            since_ns = window.until_ns


def _fetched(fetch: Callable[[Window], _T], window: Window) -> tuple[_T | None, int]:
    """Returns what is in a window, None if it is too much, and how long the next one should be."""
    width_ns = window.until_ns - window.since_ns
    try:
        found = fetch(window)
    except TooManyRowsError:
        if width_ns <= 1:
            raise StoreError(f"over {MOST_ROWS} rows have the time {window.since_ns}: too many to read") from None
        return None, max(1, width_ns // _SHORTER)
    return found, width_ns * max(1, min(_MOST_LONGER, _AIM // max(1, len(found))))
