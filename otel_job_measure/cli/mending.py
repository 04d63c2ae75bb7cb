"""Refused lines as a text that people mend: in an editor, or with any program."""

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from otel_job_measure.errors import UsageError
from otel_job_measure.journal.rejected_lines import Rejected

_named = re.compile(rb"# ([0-9a-f]{8}) refused ").match
_HELP = b"""\
# Mend the lines below; what is above each of them says why the server refused it. When you leave the editor, they are
# sent again. A line that you take out stays as it was; `otel-job-measure rejected --discard ID` gives it up.
# If you change nothing, nothing is sent.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A line that is to be sent.

    Args:
        line: The line, without its newline.
        instead_of: The id of the refused line that it takes the place of; None where it takes none.
    """

    line: bytes
    instead_of: str | None


def as_text(found: Sequence[Rejected]) -> bytes:
    """Returns lines with their ids and reasons above them.

    Args:
        found: The lines.
    """
    return b"".join(
        b"# %s refused %s: %s\n%s\n"
        % (one.id.encode(), (one.at or "once").encode(), " ".join(one.words.split()).encode(), one.line)
        for one in found
    )


def from_text(text: bytes) -> list[Mended]:
    """Reads what `as_text` gave and somebody mended.

    Args:
        text: Lines and comments. A comment with an id is about the line that follows.

    Returns:
        The lines.
    """
    mended: list[Mended] = []
    about: str | None = None
    for line in (part.removesuffix(b"\r") for part in text.split(b"\n")):
        named = _named(line)
        if named is not None:
            about = named[1].decode()
        elif line.strip() and not line.startswith(b"#"):
            mended.append(Mended(line=line, instead_of=about))
            about = None
    return mended


def edited(found: Sequence[Rejected]) -> list[Mended]:
    """Lets somebody mend lines in an editor.

    Args:
        found: The lines.

    Returns:
        What is left in the file afterwards; nothing where it was not changed.

    Raises:
        UsageError: There is no editor, or it has failed.
    """
    before = _HELP + as_text(found)
    with tempfile.TemporaryDirectory(prefix="otel-job-measure-") as folder:  # with mode 0700
        file = Path(folder) / "rejected.lp"
        file.write_bytes(before)
        _edit(file)
        after = file.read_bytes()
    return [] if after == before else from_text(after)


def _edit(file: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode  # noqa: S603 - the user's own choice
    except (OSError, ValueError) as error:
        raise UsageError(f"the editor {editor!r} cannot be started: {error}; set VISUAL or EDITOR") from error
    if code != 0:
        raise UsageError(f"the editor {editor!r} ended with {code}: nothing is sent")
