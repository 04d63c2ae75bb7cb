"""The entry points are tested with the fixtures of the spans."""

from tests.spans.conftest import _nothing_left, _nothing_said_yet, app, bench

__all__ = ["_nothing_left", "_nothing_said_yet", "app", "bench"]
