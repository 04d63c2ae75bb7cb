from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.notify.notices import REMIND_NS, Episode, Trouble, changed

NIGHTLY = JobId("nightly", "billing", "production")
MISSED = Trouble(job=NIGHTLY, finding="missed", level=2, since_ns=10, due_ns=10)
SLOWER = Trouble(job=NIGHTLY, finding="slower", level=1, since_ns=10)


def _kinds(*looks: tuple[list[Trouble], int]) -> list[list[str]]:
    """Returns what each of some looks at some times tells."""
    episodes: dict[tuple[str, ...], Episode] = {}
    told: list[list[str]] = []
    for troubles, now_ns in looks:
        episodes, notices = changed(episodes, troubles, now_ns=now_ns)
        told.append([f"{notice.kind} {notice.trouble.finding}" for notice in notices])
    return told


def test_a_finding_is_told_when_it_begins_and_when_it_ends() -> None:
    """Whatever the number of looks in between, each is told once."""
    assert _kinds(([], 1), ([MISSED], 2), ([MISSED], 3), ([], 4), ([], 5)) == [
        [],
        ["opened missed"],
        [],
        ["cleared missed"],
        [],
    ]


def test_a_finding_that_lasts_is_told_again_each_day() -> None:
    """A reminder comes 24 hours after the last word, not before."""
    looks = [([MISSED], 1), ([MISSED], REMIND_NS), ([MISSED], REMIND_NS + 1), ([MISSED], REMIND_NS + 2)]
    assert _kinds(*looks) == [["opened missed"], [], ["reminder missed"], []]


def test_a_clock_that_was_ahead_silences_no_reminder() -> None:
    """What was told a year ahead is told again when the clock is right."""
    looks = [([MISSED], 365 * REMIND_NS), ([MISSED], 10), ([MISSED], 11)]
    assert _kinds(*looks) == [["opened missed"], ["reminder missed"], []]


def test_a_finding_that_gets_worse_is_told_once() -> None:
    """A greater level is told; a smaller one and the same one again are not."""
    worse = replace(SLOWER, level=2)
    looks = [([SLOWER], 1), ([worse], 2), ([SLOWER], 3), ([worse], 4)]
    assert _kinds(*looks) == [["opened slower"], ["worsened slower"], [], []]


def test_each_finding_of_a_job_has_its_own_episode() -> None:
    """One ends while the other goes on; the worst is told first."""
    looks = [([SLOWER, MISSED], 1), ([MISSED], 2)]
    assert _kinds(*looks) == [["opened missed", "opened slower"], ["cleared slower"]]


def test_a_job_that_is_only_late_is_not_told() -> None:
    """It may still start within its grace."""
    assert _kinds(([replace(MISSED, finding="late", level=1)], 1), ([], 2)) == [[], []]


def test_nothing_ends_while_nothing_can_be_known() -> None:
    """An outage of the store tells nobody that a job is well again."""
    episodes, _ = changed({}, [MISSED], now_ns=1)
    episodes, notices = changed(episodes, [], undecided={NIGHTLY}, now_ns=2)
    assert not notices
    _, notices = changed(episodes, [], now_ns=3)
    assert [notice.kind for notice in notices] == ["cleared"]


def test_a_silent_host_stands_for_its_jobs() -> None:
    """What its jobs miss meanwhile is not told, and what was told before does not end."""
    episodes, _ = changed({}, [MISSED], now_ns=1)
    episodes, notices = changed(episodes, [], suppressed={MISSED.key}, now_ns=2)
    assert not notices
    _, notices = changed(episodes, [MISSED], now_ns=3)
    assert not notices


@pytest.mark.parametrize(("due_ns", "kind"), [(10, "refuted"), (11, "cleared")])
def test_late_data_refute_a_miss(due_ns: int, kind: str) -> None:
    """People who were told of a miss hear that the job ran after all."""
    episodes, _ = changed({}, [MISSED], now_ns=1)
    _, notices = changed(episodes, [], refuted={(NIGHTLY, due_ns)}, now_ns=2)
    assert [notice.kind for notice in notices] == [kind]


TROUBLES = st.lists(
    st.builds(
        Trouble,
        job=st.builds(JobId, st.sampled_from("ab"), st.sampled_from(["", "p"])),
        finding=st.sampled_from(["missed", "failing", "late"]),
        level=st.integers(0, 3),
        since_ns=st.just(1),
    ),
    max_size=6,
)


@given(st.lists(TROUBLES, max_size=12))
def test_what_was_told_tells_what_holds(looks: list[list[Trouble]]) -> None:
    """Somebody who hears only the openings and the ends knows at each moment what holds."""
    episodes: dict[tuple[str, ...], Episode] = {}
    known: set[tuple[str, ...]] = set()
    for now_ns, troubles in enumerate(looks):
        episodes, notices = changed(episodes, troubles, now_ns=now_ns)
        for notice in notices:
            key = notice.trouble.key
            if notice.kind == "opened":
                assert key not in known
                known.add(key)
            elif notice.kind == "cleared":
                known.remove(key)
        last = {trouble.key: trouble for trouble in troubles if trouble.level and trouble.finding != "late"}
        assert known == last.keys() == episodes.keys()
