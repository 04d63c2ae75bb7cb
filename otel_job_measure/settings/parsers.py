"""Each function converts a value that was set, or raises `RefusedError` with the reason."""

import os
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, cast

from otel_job_measure import names
from otel_job_measure.settings.destination import UrlError, endpoint, parse_headers
from otel_job_measure.settings.secret import Secret, password_from, token_from

MEMORY: Final = "memory"
"""The state directory of a process that writes no files."""

_COLUMNS: Final = {str(value) for name, value in vars(names).items() if name.startswith(("TAG_", "FIELD_"))}
RESERVED_TAGS: Final = frozenset({"time", "result", "table", *_COLUMNS})
"""Names that the rows or InfluxDB use, in lower case; names with a leading underscore are reserved too."""

# A key of InfluxDB holds 65,535 bytes: 16 such names, each with an escaped value of 1 KiB, and the others fit.
_MAX_TAGS: Final = 16
_MAX_TAG_BYTES: Final = 128
_MIN_BYTES: Final = 1024**2
_MAX_BYTES: Final = 1024**5

_WORDS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_SECONDS = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_BYTES = {
    f"{letter}{unit}": base**power
    for power, letter in enumerate(("", "k", "m", "g", "t"))
    for unit, base in (("", 1000), ("b", 1000), ("ib", 1024))
}
# Compiled at the first use: most processes need none of them, and `exec` starts with every line of a crontab.
_is_plain_address = partial(
    re.fullmatch, r"(?:[a-z0-9]{1,10}://)?(?:localhost|(?:[a-z0-9-]{1,63}\.){1,9}[a-z0-9-]{1,63})(?::[0-9]{1,5})?/?"
)
_has_controls = partial(re.search, "[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_quantity = partial(re.fullmatch, r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-z]*)")


class RefusedError(ValueError):
    """A setting does not take a value, which no message shows if it is `hidden`."""

    def __init__(self, why: str = "", *, hidden: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.hidden = hidden


def flag(value: object) -> bool:
    """Takes a boolean or a word for one."""
    word = str(value).lower() if isinstance(value, str | bool) else ""
    if word not in _WORDS:
        raise RefusedError
    return _WORDS[word]


def text(value: object) -> str:
    """Takes any string."""
    if not isinstance(value, str):
        raise RefusedError
    return value


def line(value: object) -> str:
    """Takes a string without control characters."""
    if not isinstance(value, str) or _has_controls(value):
        raise RefusedError
    return value


def one_of(*words: str) -> Callable[[object], str]:
    """Takes one of some words in any case."""

    def convert(value: object) -> str:
        word = value.lower() if isinstance(value, str) else None
        if word not in words:
            raise RefusedError
        return word

    return convert


def seconds(*, least: float, most: float) -> Callable[[object], float]:
    """Takes a number of seconds, or a text with a unit."""

    def convert(value: object) -> float:
        number = _number(value, _SECONDS)
        if not least <= number <= most:
            raise RefusedError
        return number

    return convert


def seconds_or_off(*, least: float, most: float) -> Callable[[object], float]:
    """Takes what `seconds` takes, and `off`, which is 0."""
    number = seconds(least=least, most=most)

    def convert(value: object) -> float:
        if isinstance(value, str):
            is_off = _WORDS.get(value.lower()) is False
        else:
            is_off = value == 0 and not isinstance(value, bool)
        return 0.0 if is_off else number(value)

    return convert


def size(value: object) -> int:
    """Takes a number of bytes, or a text with a unit."""
    number = _number(value, _BYTES)
    if not _MIN_BYTES <= number <= _MAX_BYTES:
        raise RefusedError
    return int(number)


def secret(parse: Callable[[str], Secret | None]) -> Callable[[object], Secret]:
    """Takes a secret that `parse` accepts; a refused one is not shown."""

    def convert(value: object) -> Secret:
        clear = value.reveal() if isinstance(value, Secret) else value
        found = parse(clear) if isinstance(clear, str) else None
        if found is None:
            raise RefusedError(hidden=True)
        return found

    return convert


token = secret(token_from)
password = secret(password_from)


def username(value: object) -> str:
    """Takes a user's name; the protocol of user and password has no way to say a name with a colon."""
    name = line(value)
    if ":" in name:
        raise RefusedError("a colon ends the name in a request")
    return name


def url(check: Callable[[str], str]) -> Callable[[object], str]:
    """Takes a URL that `check` accepts; a refused one is not shown if it may hold a secret."""

    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise RefusedError(hidden=True)
        try:
            return check(value)
        except UrlError as error:
            why, hidden = str(error), not _is_plain_address(value)  # it may be a token, or have a password
        raise RefusedError(why, hidden=hidden)

    return convert


def endpoint_or_host(given: str) -> str:
    """Takes the URL of a receiver of OTLP, or host and port alone (a rule between settings checks the protocol)."""
    if "/" in given:
        return endpoint(given)
    endpoint(f"https://{given}")  # raises if host or port is wrong
    return given


def otlp_headers(value: object) -> Secret:
    """Takes headers in the standard's form; refused ones are not shown."""
    clear = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(clear, str) or parse_headers(clear) is None:
        raise RefusedError(hidden=True)
    return Secret(clear)


def path(value: object) -> Path:
    """Takes a path and makes it absolute, because the process may change its folder."""
    given = cast("object", os.fspath(cast("str", value))) if isinstance(value, str | os.PathLike) else None
    if not isinstance(given, str) or "\0" in given:
        raise RefusedError
    try:
        return Path(os.path.abspath(Path(given).expanduser()))  # noqa: PTH100 - resolve() would follow links
    except (OSError, RuntimeError) as error:
        raise RefusedError(str(error)) from None


def file(value: object) -> Path:
    """Takes the path of an existing file."""
    found = path(value)
    if not found.is_file():
        raise RefusedError("there is no such file")
    return found


def state_dir(value: object) -> Path | str:
    """Takes the path of a folder, or `memory`."""
    return MEMORY if value == MEMORY else path(value)


def tag_names(value: object) -> tuple[str, ...]:
    """Takes names of resource attributes, as a list or as one string with commas."""
    given: object = value.split(",") if isinstance(value, str) else value
    found = list(cast("Iterable[object]", given)) if isinstance(given, Iterable) else [given]
    if not all(isinstance(name, str) for name in found):
        raise RefusedError
    tags = tuple(dict.fromkeys(filter(None, (str(name).strip() for name in found))))
    for name in tags:
        if name.lower() in RESERVED_TAGS or name.startswith("_"):
            raise RefusedError(f"the rows or InfluxDB use {name!a} themselves")
        if _has_controls(name) or "\\" in name or len(name.encode(errors="replace")) > _MAX_TAG_BYTES:
            raise RefusedError(f"{name[:_MAX_TAG_BYTES]!a} is too long, or no name of a tag")
    if len(tags) > _MAX_TAGS:
        raise RefusedError(f"{len(tags)} are too many")
    return tags


def _number(value: object, units: dict[str, float] | dict[str, int]) -> float:
    """Returns a number in the base unit; nan and inf are outside all bounds."""
    if isinstance(value, str):
        found = _quantity(value)
        unit = units.get(found[2].lower()) if found else None
        if found is None or unit is None:
            raise RefusedError
        return float(found[1]) * unit
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        raise RefusedError from None
