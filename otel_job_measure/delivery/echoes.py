"""The forms in which a server or a proxy can repeat a secret that it was sent."""

import base64
import html
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

from otel_job_measure.settings.secret import mask

_LOST = (0, 3, 2)  # characters at the end of base64 that depend on the next byte, by the length modulo 3
_SCHEMES = frozenset({"basic", "bearer", "token", "apikey", "digest"})


def masked(message: str, secrets: Iterable[str]) -> str:
    """Returns a message with `***` in place of secrets that it repeats, in whatever form."""
    return mask(message, (form for secret in secrets if secret for form in forms(secret)))


def forms(secret: str) -> Iterator[str]:
    """Yields a secret as it is, and as JSON, a URL, HTML, hex digits and base64 write it, alone or inside a text."""
    in_json = json.dumps(secret)[1:-1]
    yield from (secret, in_json, in_json.replace("/", r"\/"), quote(secret, safe=""), html.escape(secret))
    data = secret.encode(errors="replace")
    yield data.hex()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        inner = encoded[-(-before * 8 // 6) : len(encoded) - (_LOST[(before + len(data)) % 3])]
        yield from (inner, inner.replace("+", "-").replace("/", "_"))


def of_header(value: str) -> Iterator[str]:
    """Yields the secrets in the value of a header such as Authorization."""
    scheme, _, credential = value.strip().rpartition(" ")
    yield credential if not scheme or scheme.lower() in _SCHEMES else value
    if scheme.lower() == "basic":
        yield from _of_basic(credential)
    elif ":" in credential:  # InfluxDB 1.x takes `user:password` for a token
        yield from _of_user(credential)


def of_proxy(url: str) -> Iterable[str]:
    """Returns the secrets in a proxy's URL."""
    user = urlsplit(url).netloc.rpartition("@")[0]
    return (user, *_of_user(unquote(user))) if user else ()


def _of_basic(credential: str) -> Iterable[str]:
    try:
        return _of_user(base64.b64decode(credential, validate=True).decode())
    except ValueError:
        return ()


def _of_user(user: str) -> Iterable[str]:
    return (user, user.partition(":")[2])
