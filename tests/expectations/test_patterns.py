"""Patterns of jobs' names."""

import pytest

from otel_job_measure.expectations.expectation import JobId, Skip
from otel_job_measure.expectations.patterns import is_match
from otel_job_measure.journal.expected_store import SkipRule


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("night*", "nightly", True),
        ("night?", "night", False),
        ("night[1]", "night[1]", True),
        ("night[1]", "night1", False),
        ("[!a]", "b", False),
        ("*[*", "a[b", True),
        ("Night", "night", False),
        ("a\\*", "a\\b", True),
        ("*a" * 12 + "*b", "a" * 1024, False),
    ],
)
def test_only_two_characters_are_special(pattern: str, name: str, *, expected: bool) -> None:
    """A bracket means itself, because jobs are named so; many stars take no long search."""
    assert is_match(pattern, name) == expected


def test_a_skip_means_the_job_that_it_names() -> None:
    """The command `skip` and windows read patterns as questions do."""
    rule = SkipRule("night[1]", Skip(0, 1))
    assert rule.is_about(JobId("night[1]"))
    assert not rule.is_about(JobId("night1"))
