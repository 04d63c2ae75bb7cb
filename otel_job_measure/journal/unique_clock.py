"""Times that no two points of a state directory share.

InfluxDB merges two points of one series with one timestamp, and a run would vanish. So a time is a whole number of
microseconds that this clock never gives twice, and its last three digits, the nanoseconds, are the journal's slot.
"""

from otel_job_measure.clock import Clock

_STEP_NS = 1_000_000_000
"""How far the wall clock may be off before anything is done about it."""
_PRUNE_AT = 1024
_KEEP_US = 100_000
"""How long what was claimed is remembered: a thread that is held up for longer between two lines gets a later time."""


class UniqueClock:
    """Wall time carried on by monotonic time, as unique times of one slot.

    There is no lock: a run can begin in a signal handler inside any line of this. A microsecond is claimed by
    `dict.setdefault`, which the interpreter does in one step.

    Args:
        clock: Where wall and monotonic time come from.
        slot: The last three digits of every time, 0 to 999.
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
        """Returns a time in ns since 1970 that was never given before, at least 1 µs after `after_ns`."""
        us = (self._monotonic_ns() + self._offset_ns) // 1000
        if after_ns:
            us = max(us, -((self.slot - 1000 - after_ns) // 1000))
        claims, token = self._claims, object()
        while claims.setdefault(us, token) is not token or us <= self._pruned_us:
            # Below the bound a claim says nothing: an earlier one may have been pruned.
            us = max(us, self._pruned_us) + 1
        if len(claims) >= self._prune_at:
            self._prune(self.now_ns() // 1000)  # and not from a time that only follows a later start
        return us * 1000 + self.slot

    def correct(self) -> bool:
        """Re-anchors the clock forward where it is a second behind the wall clock.

        Returns:
            False where the wall clock was set back by more than a second. Then only another slot can follow it, since
            this one has already given the times that come again.
        """
        offset = self._clock.wall_ns() - self._clock.monotonic_ns()
        if offset - self._offset_ns > _STEP_NS:
            self._offset_ns = offset
        return self._offset_ns - offset <= _STEP_NS

    def _prune(self, us: int) -> None:
        bound = us - _KEEP_US
        # First the bound, then the claims: whoever claims a pruned microsecond meanwhile sees the bound and goes on.
        self._pruned_us = max(self._pruned_us, bound)
        for claimed in list(self._claims):
            if claimed <= bound:
                self._claims.pop(claimed, None)
        self._prune_at = max(_PRUNE_AT, 2 * len(self._claims))
