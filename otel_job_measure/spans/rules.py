"""How job spans of other instrumentations are recognised."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AnyValue

from otel_job_measure.errors import UsageError
from otel_job_measure.points.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRule:
    """Recognises the spans of another instrumentation that are runs; they are measured without a second span.

    Args:
        scope: The name of the instrumentation's scope, exactly.
        kind: The spans' kind; None for any.
        span_name: A regular expression that the whole name of the span matches. Its group `job` is the job's name.
        name_attribute: The span attribute that has the job's name at the start, if the span's name has not.
        outcome: Returns the outcome by the attributes at the span's end. Without it, or if it returns None, the span's
            status decides.

    Raises:
        UsageError: `span_name` is not a regular expression, or the rule has no place or two places for the job's name.
    """

    scope: str
    kind: SpanKind | None = None
    span_name: str = ".*"
    name_attribute: str | None = None
    outcome: Callable[[Mapping[str, AnyValue]], Outcome | None] | None = None
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            pattern = re.compile(self.span_name, re.DOTALL)
        except re.error as error:
            raise UsageError(
                f"span_name of a SpanRule is not a regular expression: {self.span_name!r}: {error}"
            ) from error
        if ("job" in pattern.groupindex) == (self.name_attribute is not None):
            raise UsageError(
                "a SpanRule needs a group (?P<job>...) in span_name or a name_attribute, not both, for the job's name; "
                f"got span_name={self.span_name!r}, name_attribute={self.name_attribute!r}"
            )
        object.__setattr__(self, "_pattern", pattern)

    def job_name(self, kind: SpanKind, span_name: str, attributes: Mapping[str, AnyValue]) -> AnyValue | None:
        """Returns the value in the place of the job's name in a span of the rule's scope, None if it is no run."""
        if self.kind is not None and kind is not self.kind:
            return None
        found = self._pattern.fullmatch(span_name)
        if found is None:
            return None
        return found["job"] if self.name_attribute is None else attributes.get(self.name_attribute)
