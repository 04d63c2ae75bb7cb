"""Secrets, and how they stay out of sight."""

import re
from functools import partial
from pathlib import Path
from typing import Final

from otel_job_measure.errors import SettingsError

_MAX_TOKEN_BYTES: Final = 64 * 1024
# Compiled when it is first needed: most processes never do, and `exec` stands before every line of a crontab.
_userinfo = partial(re.sub, r"(?<=//)[^/?#]*@")


class Secret:
    """A text that no log, repr or traceback shows.

    Args:
        text: What to keep out of sight.
    """

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
    """A proxy's URL that shows no user and password where it is printed; its characters are the URL's own."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__repr__(self.__str__())

    def __str__(self) -> str:
        return _userinfo("***@", str.__str__(self))

    def __format__(self, spec: str) -> str:
        return format(self.__str__(), spec)


def token_from(text: str) -> Secret | None:
    """Makes a token of what somebody has set.

    Args:
        text: The token, with whitespace around it perhaps.

    Returns:
        The stripped token; None where nothing is left, or it could not be sent in a header.
    """
    stripped = text.strip()
    return Secret(stripped) if stripped and stripped.isascii() and stripped.isprintable() else None


class TokenFile:
    """A file that holds a token, read again when it has changed.

    Args:
        path: Where it is.
        name: What the setting is called in errors.
    """

    __slots__ = ("_name", "_path", "_seen", "_token")

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._seen: tuple[int, int, int] | None = None
        self._token: Secret | None = None

    def token(self) -> Secret:
        """Returns the token that the file holds now.

        Raises:
            SettingsError: It cannot be read, or holds no token; what it holds is not shown.
        """
        trouble = None
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._token is None or seen != self._seen:
                self._token = _read(self._path)
                self._seen = seen
        except OSError as error:
            self._token, trouble = None, error.strerror or type(error).__name__
        # Not raised where the file's text is at hand: a traceback can show the local variables of its frames.
        if self._token is None:
            why = trouble or "takes a file with one token of printable ASCII characters; what it holds is not shown"
            raise SettingsError(f"{self._name}: {str(self._path)!a}: {why}")
        return self._token


def _read(path: Path) -> Secret | None:
    with path.open("rb") as file:
        data = file.read(_MAX_TOKEN_BYTES + 1)
    return token_from(data.decode(errors="replace")) if len(data) <= _MAX_TOKEN_BYTES else None
