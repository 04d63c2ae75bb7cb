"""Says on stderr that a command still works, if it takes over a second and a person watches."""

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

AFTER_S: Final = 1.0
_EVERY_S: Final = 0.25
_CLEAR: Final = "\r\x1b[K"


@contextmanager
def working(what: str, *, after_s: float = AFTER_S) -> Generator[None]:
    """Writes what is done and for how long, until the block ends; only on a terminal.

    Args:
        what: What is done, such as `reading the history`.
        after_s: When the first line is written.
    """
    if not _is_terminal():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_tell, args=(what, done, after_s), name="otel-job-measure-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _is_terminal() -> bool:
    with suppress(ValueError, AttributeError):  # closed, or None
        return sys.stderr.isatty()
    return False


def _tell(what: str, done: threading.Event, after_s: float) -> None:
    passed_s = after_s
    has_told = False
    wait_s = after_s
    while not done.wait(wait_s):
        has_told, wait_s = True, _EVERY_S
        _write(f"{_CLEAR}{what}: {passed_s:.0f} s")
        passed_s += _EVERY_S
    if has_told:
        _write(_CLEAR)


def _write(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
