"""Expected jobs as JSON."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.errors import ScheduleError
from otel_job_measure.expectations.encoding import MOST_CHARS, decode, encode, expectation_object
from otel_job_measure.expectations.expectation import (
    SOURCES,
    DueList,
    Expectation,
    ExpectedJob,
    JobId,
    Skip,
    Version,
)

PLAIN = ExpectedJob(
    job=JobId("nightly", "billing", "production"),
    source="code",
    origin="billing",
    first_seen_ns=5,
    versions=(Version(5, Expectation(schedule="5 2 * * *", timezone="Europe/Berlin", grace_s=1800.0)),),
)

times = st.integers(min_value=0, max_value=2**62)
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
durations = st.none() | st.floats(min_value=0.001, max_value=1e9)
expectations = st.builds(
    Expectation,
    schedule=st.none() | texts,
    timezone=st.none() | texts,
    every_s=durations,
    by_scheduler=st.booleans(),
    grace_s=durations,
    max_age_s=durations,
    failures=st.none() | st.integers(min_value=1, max_value=99),
    scope=st.sampled_from(["any", "host"]),
)
due_lists = st.lists(times, min_size=1, max_size=8, unique=True).map(
    lambda found: DueList(min(found), max(found), tuple(sorted(found)))
)
jobs = st.builds(
    ExpectedJob,
    job=st.builds(JobId, texts, texts, texts),
    source=st.sampled_from(SOURCES),
    origin=texts,
    host=st.none() | texts.filter(bool),
    first_seen_ns=times,
    versions=st.lists(st.builds(Version, times, expectations), min_size=1, max_size=4).map(
        lambda found: tuple(sorted(found, key=lambda version: version.since_ns))
    ),
    due_lists=st.lists(due_lists, max_size=3).map(lambda found: tuple(sorted(found, key=lambda each: each.from_ns))),
    skips=st.lists(st.builds(Skip, times, times, texts), max_size=3).map(tuple),
    retired_ns=st.none() | times,
    retired_why=texts,
)


@given(jobs)
def test_a_job_comes_back_as_it_was(job: ExpectedJob) -> None:
    """Whatever its names, limits, lists and skips."""
    assert decode(encode(job)) == replace(job)


def test_equal_jobs_have_equal_texts() -> None:
    """Several senders write identical rows; keys are sorted, and the format has a version."""
    text = encode(PLAIN)
    assert text == encode(decode(text))
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert json.loads(text)["format"] == 1


def test_a_regular_list_of_due_times_takes_little_room() -> None:
    """The gaps are counted: 500 equal ones are one pair."""
    regular = DueList(0, 10**15, tuple(range(0, 500 * 10**9, 10**9)))
    text = encode(replace(PLAIN, due_lists=(regular,)))
    assert len(text) < 400
    assert decode(text).due_lists == (regular,)


def test_a_job_that_is_too_long_loses_its_oldest_lists_and_versions() -> None:
    """A field of InfluxDB holds 64 KiB; the newest is what counts."""
    chance = random.Random(3)
    lists = tuple(
        DueList(number, 2**62, tuple(sorted(chance.sample(range(100, 2**60), 500)))) for number in range(1, 20)
    )
    found = decode(encode(replace(PLAIN, due_lists=lists)))
    assert found.due_lists
    assert found.due_lists == lists[-len(found.due_lists) :]
    versions = tuple(Version(number, Expectation(schedule="x" * 4000)) for number in range(1, 50))
    kept = decode(encode(replace(PLAIN, versions=versions))).versions
    assert kept == versions[-len(kept) :]


def hostile() -> list[Any]:
    """Returns texts that this package never writes."""
    plain = json.loads(encode(PLAIN))
    version = plain["versions"][0]
    changed: list[dict[str, Any]] = [
        {"format": 2},
        {"format": None},
        {"job": 5},
        {"job": "x" * 2000},
        {"source": "rumour"},
        {"source": ["code"]},
        {"first_seen": -1},
        {"first_seen": 1.5},
        {"first_seen": True},
        {"first_seen": 2**70},
        {"versions": []},
        {"versions": {}},
        {"versions": [version] * 1000},
        {"versions": [{**version, "since": 9}, version]},
        {"versions": [{**version, "grace_s": -1}]},
        {"versions": [{**version, "grace_s": "1"}]},
        {"versions": [{**version, "grace_s": True}]},
        {"versions": [{**version, "grace_s": 1e300}]},
        {"versions": [{**version, "scope": "all"}]},
        {"versions": [{**version, "by_scheduler": 1}]},
        {"versions": [{**version, "schedule": 5}]},
        {"versions": ["x"]},
        {"dues": [{"from": 0, "until": 9, "first": 0, "gaps": [[1, 10**12]]}]},
        {"dues": [{"from": 0, "until": 9, "first": 0, "gaps": [[0, 3]]}]},
        {"dues": [{"from": 0, "until": 9, "first": 0, "gaps": [[1, 30]]}]},
        {"dues": [{"from": 5, "until": 9, "first": 0, "gaps": []}]},
        {"dues": [{"from": 0, "until": 9, "first": None, "gaps": [[1, 3]]}]},
        {"dues": [{"from": 0, "until": 9, "first": 0, "gaps": [[1]]}]},
        {"dues": [{"from": 0, "until": 9, "first": 0, "gaps": 5}]},
        {"skips": [[1]]},
        {"skips": [["a", "b"]]},
        {"skips": "x"},
        {"host": 5},
        {"retired": "yesterday"},
    ]
    return [{**plain, **each} for each in changed] + [[], None, 5, "x"]


@pytest.mark.parametrize("found", hostile())
def test_hostile_values_are_refused(found: object) -> None:
    """A file or a row that another user wrote costs at most its own job."""
    with pytest.raises(ScheduleError):
        decode(json.dumps(found))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 50_000,
        '{"format": NaN}',
        "9" * 10_000,
        " " * (MOST_CHARS + 1),
        b"\xff\xfe",
        b'{"format":1,"job":"\xff"}',
    ],
)
def test_texts_that_are_no_json_are_refused(text: str | bytes) -> None:
    """Too deep, too long, no Unicode."""
    with pytest.raises(ScheduleError):
        decode(text)


def test_invalid_unicode_becomes_a_replacement() -> None:
    """So that every terminal and file takes what comes out."""
    text = encode(PLAIN).replace("nightly", "night\\ud800ly")
    assert decode(text).job.job == "night\ufffdly"


def test_unknown_keys_are_ignored() -> None:
    """A newer version may add some without a new format."""
    assert decode(json.dumps({**json.loads(encode(PLAIN)), "more": [1]})) == PLAIN


def test_an_expectation_alone_is_plain_values_too() -> None:
    """Only the limits that are set are written."""
    found = PLAIN.expectation
    assert expectation_object(found) == {"schedule": "5 2 * * *", "timezone": "Europe/Berlin", "grace_s": 1800.0}
