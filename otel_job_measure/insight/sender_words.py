"""What the senders of a host say together: several processes of one host may send, each for itself."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from otel_job_measure.points.monitor import Sender

RECENT_NS: Final = 180_000_000_000
"""A sender that said nothing for so long is gone; another one speaks for what it left."""
_SLOTS: Final = 1000


def by_host(words: Iterable[Sender]) -> list[Sender]:
    """Returns one word for each host, in the order of the hosts.

    The last three digits of a word's time tell the senders of a host apart. Of each, the last word counts. A host is
    complete up to the earliest time that one of its recent senders names, also of one that left with a backlog. It has
    left when all have.
    """
    last: dict[tuple[str, int], Sender] = {}
    for word in words:
        place = word.host, word.at_ns % _SLOTS
        if place not in last or word.at_ns >= last[place].at_ns:
            last[place] = word
    hosts: dict[str, list[Sender]] = defaultdict(list)
    for (host, _), word in last.items():
        hosts[host].append(word)
    return [_together(hosts[host]) for host in sorted(hosts)]


def _together(words: list[Sender]) -> Sender:
    newest = max(words, key=lambda word: word.at_ns)
    recent = [word for word in words if word.at_ns > newest.at_ns - RECENT_NS]
    speaking = [word for word in recent if not word.left] or [newest]
    counting = [word for word in recent if word in speaking or word.pending > 0]
    return replace(
        max(speaking, key=lambda word: word.at_ns),
        complete_until_ns=min(word.complete_until_ns for word in counting),
        pending=sum(word.pending for word in counting),
    )
