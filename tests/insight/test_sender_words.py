"""What the senders of a host say together."""

from otel_job_measure.insight.sender_words import by_host
from otel_job_measure.points.monitor import Sender

_S = 10**9
_NOW_NS = 1_800_000_000 * _S


def word(
    slot: int, *, ago_s: int = 0, behind_s: int = 2, pending: int = 0, left: bool = False, host: str = "a"
) -> Sender:
    """Returns a word of the process with a slot."""
    at_ns = _NOW_NS - ago_s * _S
    return Sender(host=host, at_ns=at_ns + slot, complete_until_ns=at_ns - behind_s * _S, pending=pending, left=left)


def test_one_sender_speaks_for_itself() -> None:
    """Its last word counts, whatever the order in which its words come."""
    last = word(7)
    assert by_host([word(7, ago_s=60), last, word(7, ago_s=120)]) == [last]


def test_a_host_is_as_complete_as_the_last_of_its_senders() -> None:
    """A healthy process must not hide the backlog of another one."""
    (found,) = by_host([word(1, ago_s=30, behind_s=900, pending=500), word(2)])
    assert (found.complete_until_ns, found.pending, found.left) == (_NOW_NS - 930 * _S, 500, False)
    assert found.at_ns == word(2).at_ns


def test_commands_that_come_and_go_do_not_make_a_host_leave() -> None:
    """Of a crontab's host with one long-lived process, the last word is that of a command that has left."""
    (found,) = by_host([word(1, ago_s=40), word(2, left=True), word(3, ago_s=60, left=True)])
    assert (found.left, found.at_ns) == (False, word(1, ago_s=40).at_ns)


def test_a_host_has_left_when_all_have() -> None:
    """Its silence then means nothing."""
    (found,) = by_host([word(1, ago_s=40, left=True), word(2, left=True)])
    assert (found.left, found.at_ns, found.pending) == (True, word(2).at_ns, 0)


def test_who_left_with_a_backlog_still_counts() -> None:
    """Until another process has sent what it left, which takes no three minutes."""
    left = word(1, ago_s=10, behind_s=600, pending=80, left=True)
    (found,) = by_host([left, word(2)])
    assert (found.complete_until_ns, found.pending, found.left) == (left.complete_until_ns, 80, False)
    (later,) = by_host([word(1, ago_s=200, behind_s=600, pending=80, left=True), word(2)])
    assert (later.complete_until_ns, later.pending) == (word(2).complete_until_ns, 0)


def test_a_killed_sender_is_forgotten() -> None:
    """What it left is in the words of those that send it."""
    (found,) = by_host([word(1, ago_s=400, behind_s=900, pending=5), word(2)])
    assert found == word(2)


def test_hosts_stay_apart() -> None:
    """Two hosts may have the same slot."""
    assert by_host([word(1, host="b"), word(1, host="a", pending=1)]) == [
        word(1, host="a", pending=1),
        word(1, host="b"),
    ]
    assert by_host([]) == []
