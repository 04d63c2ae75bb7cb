"""When the absence of a row may be believed: a store can be behind, and a host or a server can be away."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from otel_job_measure.insight.matching import NS
from otel_job_measure.points.monitor import Sender

SETTLE_S: Final = 120
"""How long after its last moment the absence of a row in InfluxDB is decided: rows of healthy senders are there."""
GONE_S: Final = 180
"""A sender that says nothing for so long is gone."""
OVERDUE_S: Final = 90
"""A sender that speaks each minute should have spoken."""
SILENT_S: Final = 240
"""A host is silent when the word that should have come has been missing for `GONE_S`; a word comes each minute."""
RETURN_S: Final = 600
"""How long after an outage a host that was gone before it may still come back with rows of that time."""


class Known(Enum):
    """What is known of the absence of a row."""

    ABSENT = "absent"
    """No such row exists, and none will come."""
    NOT_YET = "not yet"
    """It may still come in the usual time."""
    UNKNOWN = "unknown"
    """Nothing is known: rows may wait somewhere, or were dropped."""


class Span(NamedTuple):
    """A time, both ends included."""

    from_ns: int
    until_ns: int

    def meets(self, other: "Span") -> bool:
        """Returns whether the two have a moment in common."""
        return self.from_ns <= other.until_ns and other.from_ns <= self.until_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a store is known to hold as of one moment.

    Args:
        now_ns: That moment, by the checker's clock.
        complete_until_ns: Of a history: it has all rows of its state directory up to then. None: it is an InfluxDB.
        senders: Of an InfluxDB: the last word of each host.
        gaps: Of a history: when points were dropped, or journals were in memory. Of an InfluxDB: when a query failed,
            or no host sent a word; `outage_now` is added by itself.
        ahead: Hosts whose clocks are or were ahead of the checker's, and when.
        unlooked: Of an InfluxDB: a gap in which no checker looked, for some minutes after it.
        kept_from_ns: Of an InfluxDB: older rows are deleted.
        settle_s: Of an InfluxDB: how long after its last moment the absence of a row is decided.
    """

    now_ns: int
    complete_until_ns: int | None = None
    senders: Mapping[str, Sender] = field(default_factory=dict[str, Sender])
    gaps: tuple[Span, ...] = ()
    ahead: Mapping[str, Span] = field(default_factory=dict[str, Span])
    unlooked: Span | None = None
    kept_from_ns: int = 0
    settle_s: float = SETTLE_S

    @property
    def is_history(self) -> bool:
        """Whether the store is a history, which needs no senders."""
        return self.complete_until_ns is not None

    def outage_now(self) -> Span | None:
        """Returns the outage that goes on now: two hosts or more, and none has said a word for `GONE_S`.

        A single host that falls silent is a dead host; nothing would tell of it otherwise. Without any word of any
        host, nothing is known.
        """
        return self._quiet(GONE_S)

    def overdue_now(self) -> Span | None:
        """Returns the outage that goes on or may have begun: the next words of all hosts are overdue.

        A checker remembers it even if it is short: hosts come back one after the other, and so do signs of life.
        """
        return self._quiet(OVERDUE_S)

    def _quiet(self, for_s: int) -> Span | None:
        """Returns since when no host has said a word, if that is so long and two hosts or more should have."""
        if self.is_history:
            return None
        if not self.senders:
            return Span(0, self.now_ns)
        # A clock that is ahead would make its host's last word look fresh for longer.
        timely = [sender for host, sender in self.senders.items() if host not in self.ahead] or [*self.senders.values()]
        staying = [sender for sender in timely if not sender.left]
        last_ns = max(sender.at_ns for sender in timely)
        if len(staying) < 2 or last_ns >= self.now_ns - for_s * NS:  # noqa: PLR2004 - two hosts tell it from one
            return None
        return Span(last_ns, self.now_ns)

    def outages(self) -> tuple[Span, ...]:
        """Returns all times of which absence says nothing by itself."""
        now = self.outage_now()
        return self.gaps if now is None else (*self.gaps, now)

    def is_live(self, host: str) -> bool:
        """Returns whether a process that ships the host's rows is there."""
        sender = self.senders.get(host)
        return sender is not None and not sender.left and sender.at_ns > self.now_ns - SILENT_S * NS

    def is_gone(self, host: str) -> bool:
        """Returns whether a host that should be there fell silent, and not all hosts with it.

        The time of an outage does not count: when the first host is back, the others have a little time.
        """
        sender = self.senders.get(host)
        if sender is None or sender.left or self.outage_now() is not None:
            return False
        last_ns = max((sender.at_ns, *(gap.until_ns for gap in self.gaps)))
        return last_ns <= self.now_ns - SILENT_S * NS

    def waits(self, host: str, until_ns: int) -> bool:
        """Returns whether a host said that rows up to a time wait with it."""
        sender = self.senders.get(host)
        return sender is not None and sender.pending > 0 and sender.complete_until_ns <= until_ns

    def is_ahead(self, host: str, span: Span) -> bool:
        """Returns whether a host's clock was ahead in a time."""
        return host in self.ahead and self.ahead[host].meets(span)

    def absence(self, span: Span, hosts: Collection[str], *, may_move: bool = False) -> Known:
        """Returns what is known if the store has no row of a time.

        Args:
            span: The time of which a row would be.
            hosts: The hosts that could have sent it; empty means any.
            may_move: Whether the job may have moved to another host in an outage.
        """
        if self.complete_until_ns is not None:
            return self._absence_in_history(span, self.complete_until_ns)
        among = hosts or self.senders.keys()
        is_hidden = span.from_ns < self.kept_from_ns or any(self.is_ahead(host, span) for host in hosts)
        if is_hidden or any(self.waits(host, span.until_ns) for host in among):
            return Known.UNKNOWN
        outages = [outage for outage in self.outages() if outage.meets(span)]
        if outages:
            end_ns = max(outage.until_ns for outage in outages)
            said = among and all(self._said_all(host, span, min(outages), end_ns) for host in among)
            others = self.senders.keys() - among if may_move else ()
            may_come = any(self._may_come(host, span, end_ns) for host in others)
            return Known.ABSENT if said and not may_come else Known.UNKNOWN
        is_early = self.now_ns < span.until_ns + int(self.settle_s * NS) or any(
            self.is_live(host) and self.senders[host].complete_until_ns <= span.until_ns for host in among
        )
        return Known.NOT_YET if is_early else Known.ABSENT

    def _absence_in_history(self, span: Span, complete_until_ns: int) -> Known:
        if any(gap.meets(span) for gap in self.gaps):
            return Known.UNKNOWN
        if complete_until_ns > span.until_ns:
            return Known.ABSENT
        return Known.NOT_YET if complete_until_ns > self.now_ns - GONE_S * NS else Known.UNKNOWN

    def _may_come(self, host: str, span: Span, end_ns: int) -> bool:
        """Returns whether rows of an outage may come from a host on which the job did not run before."""
        is_back = self.senders[host].at_ns > end_ns
        return self.waits(host, span.until_ns) or (not is_back and self.now_ns <= end_ns + RETURN_S * NS)

    def _said_all(self, host: str, span: Span, outage: Span, end_ns: int) -> bool:
        """Returns whether nothing of a time in an outage can come from a host any more."""
        sender = self.senders.get(host)
        if sender is None:
            return False
        if sender.complete_until_ns > span.until_ns:
            return True
        was_gone = not sender.left and sender.at_ns < outage.from_ns - GONE_S * NS
        return was_gone and self.now_ns > end_ns + RETURN_S * NS
