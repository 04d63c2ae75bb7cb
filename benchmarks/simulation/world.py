"""Hosts and a server: when a row that is written at one time arrives, and what the senders have said until then."""

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from otel_job_measure.points.monitor import Sender

NS: Final = 10**9
MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
_LAG_S: Final = 1.5
_LONG: Final = 90
"""In fewer days, the server is away more often: every four days instead of every twenty."""


class Away(NamedTuple):
    """A time in which something is away, in seconds since the beginning."""

    from_s: float
    until_s: float

    def __contains__(self, at_s: object) -> bool:
        return isinstance(at_s, float | int) and self.from_s <= at_s < self.until_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The server takes no rows.

    Args:
        away: When.
        answers: Whether it still answers queries.
        back_s: For each host, when it reaches the server again.
        done_s: For each host, when all its rows are there.
    """

    away: Away
    answers: bool
    back_s: dict[str, float]
    done_s: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Hosts, the server and the checker.

    Args:
        start_s: When the simulation begins, in seconds since 1970.
        days: How long it is.
        hosts: The hosts' clocks: by how many seconds each is ahead.
        dead: When hosts are dead.
        outages: When the server is away, in ascending order, with hours between them.
        unwatched: When the checker is away.
    """

    start_s: int
    days: int
    hosts: dict[str, float]
    dead: dict[str, list[Away]]
    outages: list[Outage]
    unwatched: list[Away]

    def ns(self, at_s: float) -> int:
        """Returns a time in ns since 1970."""
        return self.start_s * NS + int(at_s * NS)

    def is_dead(self, host: str, at_s: float) -> bool:
        """Returns whether a host is dead."""
        return any(at_s in away for away in self.dead[host])

    def death_in(self, host: str, from_s: float, until_s: float) -> Away | None:
        """Returns when a host is dead, if it dies in a time."""
        return next((away for away in self.dead[host] if from_s < away.from_s < until_s), None)

    def arrives_s(self, host: str, at_s: float) -> float:
        """Returns when a row that a host writes arrives."""
        if at_s == float("inf"):
            return at_s
        outage = self._outage(host, at_s)
        if outage is None:
            return at_s + _LAG_S
        back_s, done_s, from_s = outage.back_s[host], outage.done_s[host], outage.away.from_s
        return max(at_s, back_s + (at_s - from_s) / (done_s - from_s) * (done_s - back_s)) + _LAG_S

    def is_heard(self, host: str, at_s: float) -> bool:
        """Returns whether what a host says at a time arrives at once."""
        outage = self._outage(host, at_s)
        return not self.is_dead(host, at_s) and (outage is None or at_s >= outage.back_s[host])

    def word(self, host: str, now_s: float) -> Sender | None:
        """Returns the last word of a host that has arrived: one each minute."""
        at_s = (now_s - _LAG_S) // MINUTE * MINUTE
        steps = 0
        while at_s >= -DAY and not self.is_heard(host, at_s):
            at_s = self._before(host, at_s)
            steps += 1
        if at_s < -DAY:
            return None
        outage = self._outage(host, at_s)
        complete_s, pending = at_s - 0.1, 0
        if outage is not None:
            back_s, done_s, from_s = outage.back_s[host], outage.done_s[host], outage.away.from_s
            complete_s, pending = from_s + (at_s - back_s) / (done_s - back_s) * (done_s - from_s) - 0.1, 7
        skew_s = self.hosts[host]
        return Sender(
            host=host,
            at_ns=self.ns(at_s + skew_s),
            complete_until_ns=self.ns(complete_s + skew_s),
            pending=pending,
            left=False,
        )

    def _before(self, host: str, at_s: float) -> float:
        """Returns the last minute before a host was away."""
        away = [away for away in self.dead[host] if at_s in away]
        outage = self._outage(host, at_s)
        from_s = [each.from_s for each in away] + ([] if outage is None else [outage.away.from_s])
        return (min(from_s, default=at_s) - 0.001) // MINUTE * MINUTE

    def _outage(self, host: str, at_s: float) -> Outage | None:
        place = bisect_right(self.outages, at_s, key=lambda outage: outage.away.from_s) - 1
        if place >= 0 and at_s < self.outages[place].done_s[host]:
            return self.outages[place]
        return None

    def answers(self, at_s: float) -> bool:
        """Returns whether a checker at that time gets an answer."""
        return not any(at_s in each.away for each in self.outages if not each.answers)

    def is_watched(self, at_s: float) -> bool:
        """Returns whether the checker looks at that time."""
        return not any(at_s in away for away in self.unwatched)


def made(seed: int, start_s: int, days: int) -> World:
    """Returns a world."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    hosts = {f"host{number:02}": 0.0 for number in range(12)} | {"ahead": 300.0}
    outages = list(_outages(chance, hosts, days))
    dead = {host: [] if host == "ahead" else list(_deaths(chance, outages, days)) for host in hosts}
    unwatched = [Away(at_s, at_s + DAY) for at_s in _moments(chance, days, 60)]
    if outages:  # the checker comes back after the server did
        last = outages[len(outages) // 2].away
        unwatched.append(Away(last.from_s - HOUR, last.until_s + MINUTE))
    return World(start_s=start_s, days=days, hosts=hosts, dead=dead, outages=outages, unwatched=unwatched)


def _outages(chance: random.Random, hosts: Iterable[str], days: int) -> Iterable[Outage]:
    for number, at_s in enumerate(_moments(chance, days, 20 if days > _LONG else 4)):
        length_s = (DAY, chance.uniform(2 * MINUTE, 2 * HOUR), chance.uniform(20.0, 5 * MINUTE))[number % 3]
        until_s = at_s + length_s
        back_s = {host: until_s + chance.uniform(1, 59) for host in hosts}
        done_s = {host: back_s[host] + chance.uniform(20, 400) for host in hosts}
        yield Outage(away=Away(at_s, until_s), answers=number % 4 == 1, back_s=back_s, done_s=done_s)


def _deaths(chance: random.Random, outages: Sequence[Outage], days: int) -> Iterable[Away]:
    for at_s in _moments(chance, days, 120):
        away = Away(at_s, at_s + chance.choice([20 * MINUTE, 5 * HOUR, 2 * DAY]))
        near = (Away(each.away.from_s - HOUR, max(each.done_s.values()) + HOUR) for each in outages)
        # Both at once is another question: what a dead host has is known when it is back.
        if not any(away.from_s < each.until_s and each.from_s < away.until_s for each in near):
            yield away


def _moments(chance: random.Random, days: int, every: int) -> Iterable[float]:
    """Yields moments that are so many days apart on average, the first one early."""
    at = chance.uniform(2, min(every, max(3, days / 3)))
    while at < days - 3:
        yield at * DAY
        at += chance.uniform(0.7, 1.3) * every
