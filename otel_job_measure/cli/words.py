"""What a command that leaves stdout and stderr to another says there itself: one line, and only when it must."""

import os
from contextlib import suppress

_STDERR = 2


def complain(words: str) -> None:
    """Says one line on stderr; nobody has to be there to read it.

    Args:
        words: What to say; our name is put before it.
    """
    with suppress(OSError):
        os.write(_STDERR, f"otel-job-measure: {words}\n".encode(errors="surrogateescape"))


def in_one_line(error: Exception) -> str:
    """Returns what an error says, its class where it says nothing.

    Args:
        error: Ours or another's.
    """
    return "; ".join(str(error).split("\n")) or type(error).__name__
