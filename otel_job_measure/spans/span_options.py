"""How the span of a run starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.util.types import AttributeValue


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanOptions:
    """How the span of a run starts."""

    kind: SpanKind = SpanKind.INTERNAL
    """CONSUMER if the job came from a queue."""
    context: Context | None = None
    """Contains the span's parent; None means the current context."""
    links: Sequence[Link] | None = None
    attributes: Mapping[str, AttributeValue] | None = None
    """Beside those of every run."""
    foreign: Span | None = None
    """A span that another instrumentation has opened for the run: none is opened then, and the run has its ids."""


PLAIN_SPAN: Final = SpanOptions()
