"""How job spans of other instrumentations are recognised."""

import copy
import pickle

import pytest
from opentelemetry.trace import SpanKind

from otel_job_measure.spans.rules import SpanRule

RULE = SpanRule(scope="queue", kind=SpanKind.CONSUMER, span_name=r"run/(?P<job>.+)")


def test_a_rule_is_a_value() -> None:
    """It compares, hashes and shows what it was made with."""
    assert SpanRule(scope="queue", kind=SpanKind.CONSUMER, span_name=r"run/(?P<job>.+)") == RULE
    assert SpanRule(scope="queue", kind=SpanKind.CONSUMER, span_name=r"(?P<job>.+)") != RULE
    assert len({RULE, SpanRule(scope="queue", name_attribute="job"), copy.copy(RULE)}) == 2
    assert repr(SpanRule(scope="queue", name_attribute="job")) == (
        "SpanRule(scope='queue', kind=None, span_name='.*', name_attribute='job', outcome=None)"
    )


def test_a_rule_stays_as_it_is() -> None:
    """Its expression was checked with what it was made with."""
    with pytest.raises(AttributeError, match="span_name"):
        RULE.span_name = "("  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # what is tested


def test_a_rule_can_be_copied_and_sent() -> None:
    """It finds the same names afterwards."""
    for found in (copy.copy(RULE), copy.deepcopy(RULE), pickle.loads(pickle.dumps(RULE))):
        assert found == RULE
        assert found.job_name(SpanKind.CONSUMER, "run/report", {}) == "report"
        assert found.job_name(SpanKind.PRODUCER, "run/report", {}) is None
