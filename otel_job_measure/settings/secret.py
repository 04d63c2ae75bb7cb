"""Values that must not be shown."""

import re
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Final

from otel_job_measure.errors import SettingsError
from otel_job_measure.rate_limited_log import once

_MAX_TOKEN_BYTES: Final = 64 * 1024
# Compiled at the first use: most processes need none of them, and `exec` starts with every line of a crontab.
_userinfo = partial(re.sub, r"(?<=//)[^/?#]*@")
_LONG: Final = 8
_SHORT: Final = 4
_LONGEST_NAME: Final = 40
_OTHERS_READ, _OTHERS_WRITE = 0o004, 0o002
_AFTER_CREDENTIAL: Final = r"(?i:(?P<before>(?:token|bearer|basic|authorization|password|secret|key)[\"'\s:=]{1,9}))"
_FOLDED: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""ASCII in lower case, so that `%2F` is `%2f`; other letters may change their length."""

_once = once(__name__)


class Secret:
    """A text that no log, repr or traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Returns the text in clear; never keep it in a local variable of code that can raise."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))


class ProxyUrl(str):
    """A proxy's URL that is printed without its user and password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__repr__(self.__str__())

    def __str__(self) -> str:
        return _userinfo("***@", str.__str__(self))

    def __format__(self, spec: str) -> str:
        return format(self.__str__(), spec)


def mask(text: str, secrets: Iterable[str]) -> str:
    """Returns a text with `***` in place of each secret, and of each part of one.

    Of a long secret (8 characters and more) any 8 characters in a row are replaced, in upper or lower case, because a
    server may cut what it repeats. A medium one is replaced only as a whole word, and one of under 4 characters only
    after a word such as `Token`: such a short text occurs in many words that are no secret.
    """
    parts: set[str] = set()
    words: list[str] = []
    short: list[str] = []
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        if len(secret) >= _LONG:
            folded = secret.translate(_FOLDED)
            parts.update(folded[at : at + _LONG] for at in range(len(folded) - _LONG + 1))
        else:
            (words if len(secret) >= _SHORT else short).append(re.escape(secret))
    text = _without_parts(text, parts) if parts else text
    patterns = [rf"(?<!\w){word}(?!\w)" for word in words]
    if short:
        patterns.append(rf"{_AFTER_CREDENTIAL}(?:{'|'.join(short)})(?!\w)")
    if not patterns:
        return text
    return re.sub("|".join(patterns), lambda found: (found.groupdict().get("before") or "") + "***", text)


def _without_parts(text: str, parts: AbstractSet[str]) -> str:
    folded = text.translate(_FOLDED)
    kept: list[str] = []
    end = -1  # of the part that was found last
    begin = 0
    for at in range(len(folded) - _LONG + 1):
        if folded[at : at + _LONG] in parts:
            if at > end:
                kept.append(text[begin:at])
            end = begin = at + _LONG
    return "***".join([*kept, text[begin:]])


def token_from(text: str) -> Secret | None:
    """Returns the stripped token; None if it is empty or cannot be sent in a header."""
    stripped = text.strip()
    return Secret(stripped) if stripped and stripped.isascii() and stripped.isprintable() else None


def password_from(text: str) -> Secret | None:
    """Returns the stripped password; None if it is empty or has control characters."""
    stripped = text.strip()
    return Secret(stripped) if stripped and stripped.isprintable() else None


class SecretFile:
    """A file that holds a token or a password, read again when it has changed.

    Args:
        path: The file.
        name: What errors call it.
        takes: What it has to hold, for errors.
        parse: Returns the secret in a text; None if there is none.
    """

    __slots__ = ("_name", "_parse", "_path", "_seen", "_takes", "_token")

    def __init__(self, path: Path, name: str, takes: str, parse: Callable[[str], Secret | None]) -> None:
        self._path = path
        self._name = name
        self._takes = takes
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._token: Secret | None = None

    def secret(self) -> Secret:
        """Returns the secret that the file holds now, or raises a `SettingsError` that does not show its content."""
        trouble = None
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._token is None or seen != self._seen:
                warn_of_mode(self._path, stat.st_mode, self._name)
                self._token = _read(self._path, self._parse)
                self._seen = seen
        except PermissionError as error:  # it was read before this process gave up its rights
            trouble = error.strerror
        except OSError as error:
            self._token, trouble = None, error.strerror or type(error).__name__
        # Not raised in `_read`: a traceback can show the local variables of its frames.
        if self._token is None:
            why = trouble or f"takes a file with {self._takes}; its content is not shown"
            raise SettingsError(f"{self._name}: {shown_path(self._path)}: {why}")
        return self._token


def warn_of_mode(path: Path, mode: int, name: str) -> None:
    """Warns once if every user may read or write a file with secrets."""
    may = [word for bit, word in ((_OTHERS_READ, "read"), (_OTHERS_WRITE, "write")) if mode & bit]
    if may:
        message = "%s: every user of this machine may %s %s; `chmod o-rw` takes that away"
        _once.warning(f"mode of {path}", message, name, " and ".join(may), shown_path(path))


def shown_path(path: Path) -> str:
    """Returns a path, without a name that is long enough to be a token in the wrong variable."""
    return f"{str(path)!a}" if len(path.name) <= _LONGEST_NAME else f"a file with a long name in {str(path.parent)!a}"


def _read(path: Path, parse: Callable[[str], Secret | None]) -> Secret | None:
    with path.open("rb") as file:
        data = file.read(_MAX_TOKEN_BYTES + 1)
    return parse(data.decode(errors="replace")) if len(data) <= _MAX_TOKEN_BYTES else None
