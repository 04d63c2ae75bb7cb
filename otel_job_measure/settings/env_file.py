"""Files with variables, for commands that are started without an environment."""

import re
from functools import partial
from pathlib import Path

from otel_job_measure.errors import SettingsError

# Compiled when it is first needed: most processes never do, and `exec` stands before every line of a crontab.
_assignment = partial(re.fullmatch, r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_single_quoted = partial(re.fullmatch, r"\s*'([^']*)'\s*(?:#.*)?")
_double_quoted = partial(re.fullmatch, r'\s*"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_unescape = partial(re.sub, r'\\(["\\$`])')
_without_comment = partial(re.sub, r"\s#.*")


def parse_env_file(path: Path | str) -> dict[str, str]:
    """Reads a file of lines `KEY=VALUE`.

    A line may begin with `export`; a value may stand in single or double quotes; what begins with `#` is a comment.
    Nothing is expanded.

    Args:
        path: The file, UTF-8.

    Returns:
        The variables, the last one where a name stands there twice.

    Raises:
        SettingsError: The file cannot be read, or a line is wrong; what stands there is not shown.
    """
    variables, problem = _parsed(Path(path))
    # Not raised where the lines are at hand: a traceback can show the local variables of its frames.
    if problem:
        variables.clear()
        raise SettingsError(f"{str(path)!a}: {problem}")
    return variables


def _parsed(path: Path) -> tuple[dict[str, str], str]:
    """Returns the variables, and what is wrong."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        return {}, error.strerror or type(error).__name__
    except UnicodeDecodeError:
        return {}, "it is not UTF-8"
    variables: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        assigned = _read(line.strip())
        if assigned is None:
            return variables, f"line {number} is not KEY=VALUE (it is not shown, since it may hold a secret)"
        variables.update([assigned] if assigned[0] else [])
    return variables, ""


def _read(line: str) -> tuple[str, str] | None:
    """Returns a name and its value; an empty name for a line without any; None where it is wrong."""
    if not line or line.startswith("#"):
        return "", ""
    found = _assignment(line)
    if found is None:
        return None
    name, value = found.groups()
    if value.lstrip().startswith("'"):
        quoted = _single_quoted(value)
        return None if quoted is None else (name, quoted[1])
    if value.lstrip().startswith('"'):
        quoted = _double_quoted(value)
        return None if quoted is None else (name, _unescape(r"\1", quoted[1]))
    return name, _without_comment("", value).strip()
