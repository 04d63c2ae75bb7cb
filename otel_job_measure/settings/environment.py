"""The one place that reads the environment."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from otel_job_measure import names
from otel_job_measure.settings.table import BY_ARGUMENT, SETTINGS, is_set

_TOKENS: Final = ("influxdb_token", "influxdb_token_file")
_FOLDER: Final = "otel-job-measure"

_logger = logging.getLogger(__name__)
_warned: set[str] = set()


def gathered(
    environ: Mapping[str, str] | None, arguments: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, str]]:
    """Reads all variables of ours, and puts arguments before them.

    Args:
        environ: Variables; None for those of the process.
        arguments: Those of `Settings`; unknown ones are passed over.

    Returns:
        What was set, by argument, and the variable that it was set in. None and empty strings are nothing; nor is
        a variable that belongs to the sink which isn't used, for others may be using it.
    """
    if environ is None:
        environ = os.environ
    sink = _sink(environ, arguments)
    given: dict[str, object] = {}
    said_in: dict[str, str] = {}
    for setting in SETTINGS:
        for variable in setting.variables:
            is_read = setting.sink in ("", sink) or variable.startswith(names.ENV_PREFIX)
            if is_read and is_set(environ.get(variable)):
                given[setting.argument], said_in[setting.argument] = environ[variable], variable
                break
    _settle_tokens(given, said_in)
    _hint(environ)
    said = {argument: value for argument, value in arguments.items() if argument in BY_ARGUMENT and is_set(value)}
    # A token that came as an argument goes before one in a variable, whichever way each of them came.
    for argument in _TOKENS if not said.keys().isdisjoint(_TOKENS) else said:
        given.pop(argument, None)
    return given | said, {argument: variable for argument, variable in said_in.items() if argument not in said}


def unknown_arguments(arguments: Mapping[str, object]) -> list[str]:
    """Says of each argument that is none of ours which one may be meant."""
    problems: list[str] = []
    for argument in arguments:
        if argument not in BY_ARGUMENT:
            close = _close(argument, BY_ARGUMENT, n=3, cutoff=0.5) or list(BY_ARGUMENT)
            problems.append(f"there is no argument {argument}; near it there are {', '.join(close)}")
    return problems


def default_state_dir(environ: Mapping[str, str] | None) -> Path | None:
    """Finds the folder in the user's state directory.

    Args:
        environ: Variables; None for those of the process.

    Returns:
        `$XDG_STATE_HOME/otel-job-measure` or the same in `~/.local/state`; None for a user without a home.
    """
    if environ is None:
        environ = os.environ
    base = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):  # noqa: PTH117 - a relative one is to be ignored, says its specification
        return Path(base, _FOLDER)
    home = environ.get("HOME") or _home_of_user()
    if os.path.isabs(home):  # noqa: PTH117 - as above
        return Path(home, ".local", "state", _FOLDER)
    return None


def _home_of_user() -> str:
    """Returns the user's home where HOME is missing, or empty, which expanduser takes for the root of all folders."""
    try:
        import pwd  # noqa: PLC0415 - not every system has it

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return ""


def _sink(environ: Mapping[str, str], arguments: Mapping[str, object]) -> str:
    """Returns which sink is asked for; a word that means none is told of later."""
    said = arguments.get("sink")
    word = said if is_set(said) else environ.get(names.ENV_SINK, "")
    is_otlp = isinstance(word, str) and word.strip().lower() == names.SINK_OTLP
    return names.SINK_OTLP if is_otlp else names.SINK_INFLUXDB


def _settle_tokens(given: dict[str, object], said_in: dict[str, str]) -> None:
    """Drops the general variable of a token where our own names one in the other way."""
    if all(token in given for token in _TOKENS):
        ours = [token for token in _TOKENS if said_in[token].startswith(names.ENV_PREFIX)]
        if len(ours) == 1:
            dropped = next(token for token in _TOKENS if token not in ours)
            del given[dropped], said_in[dropped]


def _hint(environ: Mapping[str, str]) -> None:
    """Warns of each variable that looks like ours and isn't, once."""
    known = {
        variable.removeprefix(names.ENV_PREFIX): variable for each in SETTINGS for variable in reversed(each.variables)
    }
    ours = {variable for each in SETTINGS for variable in each.variables}
    for variable in environ:
        if variable.startswith(names.ENV_PREFIX) and variable not in ours and variable not in _warned:
            _warned.add(variable)
            close = _close(variable.removeprefix(names.ENV_PREFIX), known, n=1, cutoff=0.6)
            hint = f"; did you mean {known[close[0]]}?" if close else ""
            _logger.warning("%s is set and means nothing%s", variable, hint)


def _close(word: str, words: Iterable[str], *, n: int, cutoff: float) -> list[str]:
    import difflib  # noqa: PLC0415 - only for who made a mistake

    return difflib.get_close_matches(word, words, n=n, cutoff=cutoff)
