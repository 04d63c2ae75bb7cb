"""Patterns of jobs."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_job_measure.insight.influxdb.matching import is_like


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_a_pattern_means_what_it_means_to_a_shell(pattern: str, text: str) -> None:
    """A star is any text, also none, and a question mark is one character."""
    assert is_like(pattern, text) == fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize(("pattern", "text"), [("[ab]", "a"), ("a.c", "abc"), ("", "a"), ("a", "")])
def test_everything_else_means_itself(pattern: str, text: str) -> None:
    """Brackets and dots are no wildcards."""
    assert not is_like(pattern, text)
    assert is_like(pattern, pattern)


def test_many_stars_take_no_time() -> None:
    """A regular expression would take centuries."""
    assert not is_like("*a" * 40 + "b", "a" * 2000)
