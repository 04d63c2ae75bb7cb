"""The one module that reads the environment, and files that stand in for it."""

import codecs
import os
import re
import stat
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Any, Final

from otel_job_measure import names
from otel_job_measure.errors import SettingsError
from otel_job_measure.forks import fork_gate
from otel_job_measure.rate_limited_log import once
from otel_job_measure.settings.destination import UrlError, checked_proxy
from otel_job_measure.settings.secret import warn_of_mode
from otel_job_measure.settings.table import BY_ARGUMENT, SETTINGS, is_set

_TOKENS: Final = frozenset({"influxdb_token", "influxdb_token_file"})
_PASSWORDS: Final = frozenset({"influxdb_password", "influxdb_password_file"})
_USERS: Final = frozenset({"influxdb_username", *_PASSWORDS})
_READERS: Final = frozenset({"read_token", "read_token_file"})
OF_OTHER_TOOLS: Final = {
    "INFLUX_HOST": "influxdb_url",
    "INFLUX_TOKEN": "influxdb_token",
    "INFLUX_USERNAME": "influxdb_username",
    "INFLUX_PASSWORD": "influxdb_password",
    "INFLUX_ORG": "influxdb_org",
    "INFLUX_BUCKET_NAME": "influxdb_bucket",
    "INFLUX_DATABASE": "influxdb_bucket",
    "INFLUXDB3_HOST_URL": "influxdb_url",
    "INFLUXDB3_AUTH_TOKEN": "influxdb_token",
    "INFLUXDB3_DATABASE_NAME": "influxdb_bucket",
}
"""The variables of `influx`, `influxdb3` and version 3's client library, and the settings that they stand for."""
_SHOWN_LINES: Final = 5
_SECRET_ENDS: Final = ("TOKEN", "PASSWORD", "HEADERS", "PROXY")
_FOLDER: Final = "otel-job-measure"
# Compiled at the first use: most processes need none of them, and `exec` starts with every line of a crontab.
_assignment = partial(re.fullmatch, r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_single_quoted = partial(re.fullmatch, r"\s*'([^']*)'\s*(?:#.*)?")
_double_quoted = partial(re.fullmatch, r'\s*"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_unescape = partial(re.sub, r'\\(["\\$`])')
_without_comment = partial(re.sub, r"\s#.*")

_of_files: Final[dict[str, str]] = {}
_once = once(__name__)


def gathered(
    environ: Mapping[str, str], arguments: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, str], list[str]]:
    """Returns the values that were set and their variables, by argument, and one line for each unknown argument."""
    sink = _sink(environ, arguments)
    said_in = _variables(environ, sink)
    said = {argument: value for argument, value in arguments.items() if argument in BY_ARGUMENT and is_set(value)}
    # A token that came as an argument takes precedence over one in a variable, in either form.
    for argument in (*said, *_displaced_by(said.keys())):
        said_in.pop(argument, None)
    given = {argument: environ[variable] for argument, variable in said_in.items()}
    if sink == names.SINK_INFLUXDB:
        _warn_of_other_spellings(environ, given.keys() | said.keys())
    return given | said, said_in, _unknown(arguments)


def take_from_file(variables: Mapping[str, str], path: str = "") -> None:
    """Sets the variables of an env file that the environment does not set."""
    for name, value in variables.items():
        if not os.environ.get(name):
            os.environ[name] = value
            _of_files[name] = path


def of_file(variable: str) -> str | None:
    """Returns the path of the env file that set a variable; None if no file did."""
    return _of_files.get(variable)


def environment_for_programs() -> dict[str, str]:
    """Returns the environment for a program that this process starts: without what came from an env file."""
    return {name: value for name, value in os.environ.items() if name not in _of_files}


def process_environment() -> Mapping[str, str]:
    """Returns the variables of this process."""
    return os.environ


def standard_proxy(url: str) -> str | None:
    """Returns the proxy to a URL of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, as other programs read them."""
    with fork_gate():
        import urllib.request  # noqa: PLC0415
        from urllib.parse import urlsplit  # noqa: PLC0415

        from otel_job_measure.settings.no_proxy import is_excepted  # noqa: PLC0415 - a delivery loads all these anyway
    request: Any = urllib.request  # not all of it has types
    parts, proxies = urlsplit(url), request.getproxies_environment()
    found = (proxies.get(parts.scheme) or proxies.get("all", "")).strip()
    try:
        if not found or is_excepted(parts, proxies.get("no", "")):
            return None
        return checked_proxy(found if "://" in found else f"http://{found}")
    except UrlError as error:
        message = "the proxy of %s_PROXY or ALL_PROXY is not used: %s"
        _once.warning("proxy", message, parts.scheme.upper(), error)
        return None


def default_state_dir(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the folder in the user's state directory; None for a user without a home."""
    base = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):  # noqa: PTH117 - its specification says that a relative one is ignored
        return Path(base, _FOLDER)
    home = environ.get("HOME") or _home_of_user()
    return Path(home, ".local", "state", _FOLDER) if os.path.isabs(home) else None  # noqa: PTH117 - a string


def parse_env_file(path: Path | str) -> dict[str, str]:
    """Reads a UTF-8 file of lines `KEY=VALUE`, or raises a `SettingsError` if it cannot be read.

    A line may begin with `export`; a value may be in single or double quotes; a comment begins with `#`. Nothing is
    expanded. If a name occurs twice, the last line counts. Any other line is logged by its number and left out.
    """
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read().removeprefix(codecs.BOM_UTF8).split(b"\n")
    except OSError as error:
        raise SettingsError(f"{str(path)!a}: {error.strerror or type(error).__name__}") from None
    assigned = [_assigned(line) for line in lines]
    if stat.S_ISREG(mode) and any(found and found[0].endswith(_SECRET_ENDS) for found in assigned):
        warn_of_mode(Path(path), mode, "the env file")
    wrong = [str(number) for number, found in enumerate(assigned, start=1) if found is None]
    if wrong:
        shown = f"{', '.join(wrong[:_SHOWN_LINES])}{', …' if len(wrong) > _SHOWN_LINES else ''}"
        message = "%a: line %s is not KEY=VALUE and is left out (it is not shown, since it may hold a secret)"
        _once.warning(f"lines of {path}", message, str(path), shown)
    return dict(found for found in assigned if found and found[0])


def _home_of_user() -> str:
    """Returns the home in the user database, for a HOME that is missing or empty."""
    try:
        import pwd  # noqa: PLC0415 - not every system has it

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return ""


def _sink(environ: Mapping[str, str], arguments: Mapping[str, object]) -> str:
    """Returns the sink in use; an unknown word counts as the default here and is reported later."""
    said = arguments.get("sink")
    word = said if is_set(said) else environ.get(names.ENV_SINK, "")
    is_otlp = isinstance(word, str) and word.strip().lower() == names.SINK_OTLP
    return names.SINK_OTLP if is_otlp else names.SINK_INFLUXDB


def _variables(environ: Mapping[str, str], sink: str) -> dict[str, str]:
    """Returns the variable that each argument's value comes from, of those that are set."""
    _warn_of_unknown_variables(environ)
    said_in: dict[str, str] = {}
    for setting in SETTINGS:
        for variable in reversed(setting.variables):
            # The general variables of the other sink may be there for another program.
            is_read = setting.sink in ("", sink) or variable.startswith(names.ENV_PREFIX)
            if is_read and is_set(environ.get(variable)):
                said_in[setting.argument] = variable
    ours = {name for name, variable in said_in.items() if variable.startswith(names.ENV_PREFIX)}
    displaced = _displaced_by(
        ours
    )  # the package's own variable takes precedence over the general one of the other form
    if said_in.keys() - displaced & _TOKENS:
        displaced |= _USERS - ours  # they may be there for another program
    return {name: variable for name, variable in said_in.items() if name not in displaced}


def _displaced_by(chosen: AbstractSet[str]) -> set[str]:
    """Returns the credentials that do not count beside the chosen ones, which take precedence."""
    displaced: set[str] = set()
    if chosen & _TOKENS:
        displaced |= _TOKENS | _USERS
    if chosen & _USERS:
        displaced |= _TOKENS
    for forms in (_PASSWORDS, _READERS):
        if chosen & forms:
            displaced |= forms
    return displaced - chosen


def _unknown(arguments: Mapping[str, object]) -> list[str]:
    """Returns one line for each argument that does not exist, with the arguments closest to it."""
    return [
        f"there is no argument {name}; the nearest are {', '.join(_close(name, BY_ARGUMENT, n=3) or BY_ARGUMENT)}"
        for name in arguments
        if name not in BY_ARGUMENT
    ]


def _warn_of_unknown_variables(environ: Mapping[str, str]) -> None:
    """Warns once of each variable that has the package's prefix and does not exist."""
    ours = [variable for each in SETTINGS for variable in reversed(each.variables)]
    by_end = {variable.removeprefix(names.ENV_PREFIX): variable for variable in ours}
    for variable in environ:
        if variable.startswith(names.ENV_PREFIX) and variable not in ours:
            close = _close(variable.removeprefix(names.ENV_PREFIX), by_end, n=1)
            nearest = f"; did you mean {by_end[close[0]]}?" if close else ""
            _once.warning(variable, "%s is set but unknown%s", variable, nearest)


def _warn_of_other_spellings(environ: Mapping[str, str], given: AbstractSet[str]) -> None:
    """Warns once of variables of InfluxDB's own tools if the setting that each stands for was not given."""
    missed = {
        variable: argument
        for variable, argument in OF_OTHER_TOOLS.items()
        if argument not in given and is_set(environ.get(variable))
    }
    # A file can hold the secret, and a token makes the user superfluous.
    if not given.isdisjoint(_TOKENS | _USERS):
        missed = {variable: argument for variable, argument in missed.items() if argument not in _TOKENS | _USERS}
    if missed:
        ours = ", ".join(dict.fromkeys(BY_ARGUMENT[argument].variable for argument in missed.values()))
        message = "%s: set for InfluxDB's own tools; this package reads %s instead"
        _once.warning("other spellings", message, ", ".join(missed), ours)


def _close(word: str, words: Iterable[str], *, n: int) -> list[str]:
    import difflib  # noqa: PLC0415 - only for a mistake

    return difflib.get_close_matches(word, words, n=n, cutoff=0.5)


def _assigned(data: bytes) -> tuple[str, str] | None:
    """Returns a name and its value; an empty name for a blank line or a comment; None for a wrong line."""
    line = data.decode(errors="replace").strip()
    if not line or line.startswith("#"):
        return "", ""
    found = _assignment(line)
    if found is None or "\0" in line or "\ufffd" in line:  # no variable can hold it; not UTF-8
        return None
    name, value = found.groups()
    if value.lstrip().startswith("'"):
        quoted = _single_quoted(value)
        return None if quoted is None else (name, quoted[1])
    if value.lstrip().startswith('"'):
        quoted = _double_quoted(value)
        return None if quoted is None else (name, _unescape(r"\1", quoted[1]))
    return name, _without_comment("", value).strip()
