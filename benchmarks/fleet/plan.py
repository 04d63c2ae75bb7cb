"""The fleet that is calculated, and the arithmetic."""

from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400
ROWS_A_RUN: Final = 3
_TICKS_A_SECOND: Final = 1e9
"""A time is a whole microsecond and the number of one of a thousand slots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet.

    Args:
        hosts: How many hosts it has.
        jobs: How many jobs.
        runs_s: How many runs end in a second, in all.
        sites: How many combinations of `datacenter`, `project` and `stage` one job runs in.
        endings: How many combinations of `status` and `reason` the runs of one job end with.
    """

    hosts: int
    jobs: int
    runs_s: float
    sites: int
    endings: int

    @property
    def old_series(self) -> int:
        """Returns the series of `scheduling-job`."""
        return self.jobs * self.sites

    @property
    def run_series(self) -> int:
        """Returns the series of `scheduling-job-run`."""
        return self.jobs * self.sites * self.endings

    @property
    def series(self) -> int:
        """Returns the series of both."""
        return self.old_series + self.run_series

    @property
    def host_series(self) -> int:
        """Returns the series of both, with a tag for the host, where every job runs on every host."""
        return self.jobs * self.hosts * (1 + self.endings)

    def merged_a_day(self) -> float:
        """Returns how many pairs of old rows have one series and one time, without a tag for the host.

        Rows come evenly, each host's by chance; a pair of a series meets with 1 in 10^9 for each second.
        """
        rows_s = 2 * self.runs_s / self.old_series
        return self.old_series * pairs(rows_s * DAY_S, DAY_S)


def pairs(rows: float, within_s: float) -> float:
    """Returns how many pairs of so many rows have the same time, if their times are by chance.

    Args:
        rows: How many rows of one series.
        within_s: In how many seconds they come.
    """
    return rows * rows / 2 / (within_s * _TICKS_A_SECOND)


FLEET: Final = Fleet(hosts=10_000, jobs=1000, runs_s=10_000, sites=4, endings=3)
