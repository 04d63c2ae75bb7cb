"""Jobs, and hooks of other libraries, for faults."""

from pathlib import Path
from threading import Event
from typing import Any


def wait(ready: str, go: str) -> str:
    """Says that it runs, and ends when a file is there."""
    Path(ready).write_text("runs", encoding="ascii")
    while not Path(go).exists():
        Event().wait(0.02)
    return "done"


def nothing() -> None:
    """Does nothing."""


def raises(*_words: Any, **_more: Any) -> None:  # noqa: ANN401 - whatever a scheduler gives a hook
    """Is a hook of another library, and fails."""
    raise KeyError("another library")
