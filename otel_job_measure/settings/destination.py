"""Where points go: a bucket of an InfluxDB server, or a receiver of OTLP."""

import re
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure.forks import fork_gate

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Compiled when it is first needed: most processes never do, and `exec` stands before every line of a crontab.
_is_host = partial(re.fullmatch, r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_.])?")
_is_path = partial(re.fullmatch, r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")


HTTP: Final = "http/protobuf"
GRPC: Final = "grpc"


class UrlError(ValueError):
    """A URL is wrong; the message says what is, without a part of the URL."""


class Destination(NamedTuple):
    """A bucket of an InfluxDB server.

    Args:
        url: The server's URL, as `normalized` gives it.
        org: The organization's name or id.
        bucket: The bucket's name or id.
    """

    url: str
    org: str
    bucket: str

    @property
    def id(self) -> str:
        """Returns 12 hex digits that tell it from others; the token plays no part in them."""
        return _digest(f"{self.url}\n{self.org}\n{self.bucket}")

    @property
    def label(self) -> str:
        """Returns it in words, for people."""
        return f"{self.url} org={self.org} bucket={self.bucket}"


class OtlpDestination(NamedTuple):
    """A receiver of OTLP logs.

    Args:
        endpoint: Its URL: with `http/protobuf` the one that is posted to, with `grpc` scheme, host and port.
        protocol: `http/protobuf` or `grpc`.
    """

    endpoint: str
    protocol: str

    @property
    def id(self) -> str:
        """Returns 12 hex digits that tell it from others; headers play no part in them."""
        return _digest(f"otlp\n{self.protocol}\n{self.endpoint}")

    @property
    def label(self) -> str:
        """Returns it in words, for people."""
        return f"{self.endpoint} ({self.protocol})"


def normalized(url: str) -> str:
    """Gives one spelling to the URL of an InfluxDB server.

    Args:
        url: `http://` or `https://`, host, port and path, without a user, a query or a fragment.

    Returns:
        Scheme and host in small letters, no default port, no slash at the end.

    Raises:
        UrlError: It is not such a URL.
    """
    server, path = _spelled(url, secrets="the token goes into INFLUXDB_TOKEN")
    path = path.rstrip("/")
    if re.search(r"/api/v\d|/write$|/query$", path):
        raise UrlError("it is the URL of a call; what is wanted ends before /api/v2")
    return server + path


def endpoint(url: str) -> str:
    """Gives one spelling to the URL of a receiver of OTLP; its path stays as it is.

    Args:
        url: `http://` or `https://`, host, port and path, without a user, a query or a fragment.

    Returns:
        Scheme and host in small letters, no default port.

    Raises:
        UrlError: It is not such a URL.
    """
    return "".join(_spelled(url, secrets="what is secret goes into OTEL_EXPORTER_OTLP_HEADERS"))


def checked_proxy(url: str) -> str:
    """Checks a proxy's URL, which may hold a user and a password.

    Args:
        url: `http://` or `https://`, host and port.

    Returns:
        The same URL without a slash at its end.

    Raises:
        UrlError: It is not such a URL.
    """
    parts = _split(url)
    _host(parts)
    _port(parts)
    if parts.path not in ("", "/") or "?" in url or "#" in url:
        raise UrlError("it holds a path, a query or a fragment")
    return url.removesuffix("/")


def _spelled(url: str, *, secrets: str) -> tuple[str, str]:
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise UrlError(f"it holds a user or a password; {secrets}")
    if "?" in url or "#" in url:
        raise UrlError("it holds a query or a fragment")
    if not _is_path(parts.path):
        raise UrlError("its path holds characters that a URL can't hold")
    return f"{parts.scheme}://{_host(parts)}{_port(parts)}", parts.path


def _split(url: str) -> "SplitResult":
    # urlsplit would drop some of these without a word.
    if not url.isprintable() or " " in url:
        raise UrlError("it holds spaces or control characters")
    with fork_gate():
        from urllib.parse import urlsplit  # noqa: PLC0415 - only where there is a URL; it brings all of ipaddress
    try:
        parts = urlsplit(url)
    except ValueError:  # its message shows parts of the URL
        parts = None
    if parts is None:
        raise UrlError("its host can't be read")
    if parts.scheme not in _DEFAULT_PORTS or not url[len(parts.scheme) :].startswith("://"):
        raise UrlError("it has to begin with http:// or https://")
    return parts


def _host(parts: "SplitResult") -> str:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        with fork_gate():
            import ipaddress  # noqa: PLC0415 - only for such a host
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError:
            raise UrlError("its host is no IPv6 address") from None
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        host = ""
    if not _is_host(host):
        raise UrlError("its host is missing or no name of a host")
    return host


def _port(parts: "SplitResult") -> str:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise UrlError("its port is no number from 1 to 65535")
    return "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"


def _digest(text: str) -> str:
    with fork_gate():
        import hashlib  # noqa: PLC0415 - only where there is a destination

    return hashlib.sha256(text.encode()).hexdigest()[:12]
