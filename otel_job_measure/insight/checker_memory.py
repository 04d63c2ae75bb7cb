"""What a checker has to remember from look to look: when the store was away, and whose clocks were wrong."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

from otel_job_measure.insight.absence import RETURN_S, Evidence, Span
from otel_job_measure.insight.findings import UNKNOWN, Finding
from otel_job_measure.insight.hosts import LONG_S
from otel_job_measure.insight.matching import NS
from otel_job_measure.journal.private_files import make_folder, open_private, read_private, refuse_strangers

FILE: Final = "check.json"
_MOST_BYTES: Final = 4 * 1024 * 1024
_KEPT_NS: Final = 8 * 86_400 * NS
_AWAY_NS: Final = 600 * NS
"""After so long without a look, the store may have been away meanwhile."""
_MOST_GAPS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The content of the memory.

    Args:
        looked_ns: When the store last answered.
        gaps: When it did not, or no host sent a word to it.
        is_open: Whether the last gap went on at the last look.
        away: When no checker looked; the store may have been away meanwhile.
        ahead: Hosts whose clocks were ahead, and when.
    """

    looked_ns: int | None = None
    gaps: tuple[Span, ...] = ()
    is_open: bool = False
    away: Span | None = None
    ahead: Mapping[str, Span] = field(default_factory=dict[str, Span])

    def as_of(self, now_ns: int) -> "Remembered":
        """Returns the same without what lies in the future, where a clock that was ahead has put it."""

        def cut(span: Span) -> Span:
            return Span(min(span.from_ns, now_ns), min(span.until_ns, now_ns))

        return replace(
            self,
            looked_ns=None if self.looked_ns is None else min(self.looked_ns, now_ns),
            gaps=tuple(map(cut, self.gaps)),
            away=None if self.away is None else cut(self.away),
        )

    def now_away(self, now_ns: int) -> Span | None:
        """Returns the time without a look that still matters: hosts have some minutes to speak after it."""
        if self.looked_ns is not None and now_ns - self.looked_ns > _AWAY_NS and not self.is_open:
            return Span(self.looked_ns, now_ns)
        return self.away if self.away is not None and now_ns <= self.away.until_ns + RETURN_S * NS else None

    def gaps_at(self, now_ns: int) -> tuple[Span, ...]:
        """Returns all times of which absence says nothing, as of a look that the store answers."""
        away = self.now_away(now_ns)
        return (*self._gaps(now_ns), *(() if away is None else (away,)))

    def after_failure(self, now_ns: int) -> "Remembered":
        """Returns what is remembered after a look that the store did not answer."""
        from_ns = now_ns if self.looked_ns is None else self.looked_ns
        if self.is_open and self.gaps:
            from_ns = min(from_ns, self.gaps[-1].from_ns)
        return replace(self, gaps=_with(self.gaps, Span(from_ns, now_ns), now_ns), is_open=True)

    def after_look(self, evidence: Evidence) -> "Remembered":
        """Returns what is remembered after a look that the store answered."""
        now_ns, outage = evidence.now_ns, evidence.overdue_now()
        gaps = self._gaps(now_ns)
        is_open = outage is not None and bool(evidence.senders)
        if outage is not None and is_open:
            gaps = _with(gaps, outage, now_ns)
        ahead = {host: span for host, span in evidence.ahead.items() if span.until_ns > now_ns - _KEPT_NS}
        return Remembered(looked_ns=now_ns, gaps=gaps, is_open=is_open, away=self.now_away(now_ns), ahead=ahead)

    def _gaps(self, now_ns: int) -> tuple[Span, ...]:
        """Returns the gaps; one that went on at the last look ends now."""
        if not self.gaps or not self.is_open:
            return self.gaps
        return _with(self.gaps, Span(self.gaps[-1].until_ns, now_ns), now_ns)

    def unanswered(self, now_ns: int) -> Finding | None:
        """Returns what holds of a store that has answered no look for an hour."""
        if not self.is_open or self.gaps[-1].from_ns > now_ns - LONG_S * NS:
            return None
        return Finding(name=UNKNOWN, since_ns=self.gaps[-1].from_ns, detail="InfluxDB does not answer")


def _with(known: tuple[Span, ...], gap: Span, now_ns: int) -> tuple[Span, ...]:
    """Returns gaps with a further one, which may continue the last; those of long ago are left out."""
    gaps = [each for each in known if each.until_ns > now_ns - _KEPT_NS]
    if gaps and gaps[-1].until_ns >= gap.from_ns:
        last = gaps.pop()
        gap = Span(min(last.from_ns, gap.from_ns), max(last.until_ns, gap.until_ns))
    return (*gaps, gap)[-_MOST_GAPS:]


def read(folder: Path) -> Remembered:
    """Returns what is remembered in a state directory; nothing if it cannot be read, or is damaged."""
    try:
        content = cast("dict[str, Any]", json.loads(read_private(folder / FILE, _MOST_BYTES)))
        return Remembered(
            looked_ns=None if content["looked_ns"] is None else int(content["looked_ns"]),
            gaps=tuple(Span(int(from_ns), int(until_ns)) for from_ns, until_ns in content["gaps"]),
            is_open=content["is_open"] is True,
            away=None if content["away"] is None else Span(int(content["away"][0]), int(content["away"][1])),
            ahead={str(host): Span(int(span[0]), int(span[1])) for host, span in content["ahead"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return Remembered()


def write(folder: Path, remembered: Remembered) -> None:
    """Replaces what is remembered; without the right to write there, nothing is remembered."""
    content = asdict(remembered)
    new = folder / f"{FILE}.{os.getpid()}.new"
    with contextlib.suppress(OSError):
        make_folder(folder, is_root=True)
        refuse_strangers(folder, may_be_link=True)
        fd = open_private(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(content, file)
        new.replace(folder / FILE)
