"""The key to the page: a token in the URL for the first visit, then a cookie."""

import hashlib
import hmac
import secrets
from typing import Final

from otel_job_measure.settings.secret import Secret

LEAST: Final = 16
"""The shortest token of a file, in characters: a shorter one can be guessed."""
_MOST_COOKIES: Final = 8192


class Key:
    """Tells whether a token or a cookie is right; compares in constant time.

    Args:
        token: The token.
        port: The port, for the cookie's name: a browser sends the cookies of an address to all of its ports.
    """

    def __init__(self, token: Secret, port: int) -> None:
        self._token = token.reveal().encode("utf-8", "surrogatepass")
        self._cookie = hmac.new(self._token, b"cookie", hashlib.sha256).hexdigest()
        self._name = f"otel_job_measure_{port}"

    @classmethod
    def new(cls, port: int) -> "tuple[Key, str]":
        """Returns a key with a new token, and the token."""
        token = secrets.token_urlsafe(32)
        return cls(Secret(token), port), token

    def __repr__(self) -> str:
        return "Key(***)"

    def fits(self, token: str) -> bool:
        """Returns whether a token is right."""
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    def is_in(self, header: str) -> bool:
        """Returns whether the `Cookie` header has the right cookie."""
        pairs = (pair.strip().partition("=") for pair in header[:_MOST_COOKIES].split(";"))
        given = (value.encode("utf-8", "surrogatepass") for name, _, value in pairs if name == self._name)
        return any(hmac.compare_digest(value, self._cookie.encode()) for value in given)

    def set_cookie(self) -> str:
        """Returns the `Set-Cookie` header; the cookie ends with the browser's session.

        With `Strict`, a click on the URL in another page, such as a chat or a terminal in a browser, would be refused.
        """
        return f"{self._name}={self._cookie}; Path=/; HttpOnly; SameSite=Lax"
