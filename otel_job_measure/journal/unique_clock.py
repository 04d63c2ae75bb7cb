"""Timestamps that no two points of a state directory share.

InfluxDB merges two points of one series with one timestamp, and a run would vanish. So a timestamp is a whole number of
microseconds that this clock never gives twice, and its last three digits, the nanoseconds, are the journal's slot.
"""

from otel_job_measure.clock import Clock

_STEP_NS = 1_000_000_000
"""How far this clock may be off the wall clock."""
_PRUNE_AT = 1024
_KEEP_US = 100_000
"""How long claims are remembered; a thread that pauses for longer between two lines gets a later timestamp."""


class UniqueClock:
    """Wall time carried on by monotonic time, as unique timestamps of one slot.

    It has no lock, since a run can begin in a signal handler inside any line of this. A thread claims a microsecond by
    `dict.setdefault`, which the interpreter does in one step.
    """

    __slots__ = ("_claims", "_clock", "_monotonic_ns", "_offset_ns", "_prune_at", "_pruned_us", "slot")

    def __init__(self, clock: Clock, slot: int) -> None:
        """Anchors the clock at the present wall time."""
        self.slot = slot
        self._clock = clock
        self._monotonic_ns = clock.monotonic_ns
        self._offset_ns = clock.wall_ns() - clock.monotonic_ns()
        self._claims: dict[int, object] = {}
        self._prune_at = _PRUNE_AT
        self._pruned_us = -1

    def now_ns(self) -> int:
        """Returns the present time in ns since 1970; it is not unique."""
        return self._clock.monotonic_ns() + self._offset_ns

    def stamp(self, *, after_ns: int = 0) -> int:
        """Returns a timestamp in ns since 1970 that was never given before, at least 1 µs after `after_ns`."""
        us = (self._monotonic_ns() + self._offset_ns) // 1000
        if after_ns:
            earliest_us, earliest_digits = divmod(after_ns + 1000, 1000)
            us = max(us, earliest_us + (earliest_digits > self.slot))
        claims, token = self._claims, object()
        while claims.setdefault(us, token) is not token or us <= self._pruned_us:
            # Up to the bound a free microsecond may be one whose claim was pruned.
            us = max(us, self._pruned_us) + 1
        if len(claims) >= self._prune_at:
            self._prune(self.now_ns() // 1000)  # not from `us`, which may only follow a later start
        return us * 1000 + self.slot

    def correct(self) -> bool:
        """Re-anchors the clock forward if it is a second behind; returns False if the wall clock was set back.

        After a step back of over a second only another slot can follow the wall clock, since this one has already
        given the timestamps that come again.
        """
        offset = self._clock.wall_ns() - self._clock.monotonic_ns()
        if offset - self._offset_ns > _STEP_NS:
            self._offset_ns = offset
        return self._offset_ns - offset <= _STEP_NS

    def _prune(self, us: int) -> None:
        bound = us - _KEEP_US
        # First the bound, then the claims: a thread that claims a pruned microsecond then sees the bound and goes on.
        self._pruned_us = max(self._pruned_us, bound)
        for claimed in list(self._claims):
            if claimed <= bound:
                self._claims.pop(claimed, None)
        self._prune_at = max(_PRUNE_AT, 2 * len(self._claims))
