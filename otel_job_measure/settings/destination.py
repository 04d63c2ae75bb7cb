"""Where points go: a bucket of an InfluxDB server, or a receiver of OTLP."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_job_measure.forks import fork_gate
from otel_job_measure.settings.secret import ProxyUrl

if TYPE_CHECKING:
    from urllib.parse import SplitResult

HTTP: Final = "http/protobuf"
GRPC: Final = "grpc"

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_PROXY_PORTS: Final = {**_DEFAULT_PORTS, "socks5": 1080, "socks5h": 1080}
_DEFAULT_HTTP_RECEIVER: Final = "http://localhost:4318"
_DEFAULT_GRPC_RECEIVER: Final = "http://localhost:4317"
# Compiled at the first use: most processes need none of them, and `exec` starts with every line of a crontab.
_is_host = partial(re.fullmatch, r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_.])?")
_is_path = partial(re.fullmatch, r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_is_header = partial(re.fullmatch, r"[a-z0-9_.-]+")
_is_reserved_by_grpc = partial(re.fullmatch, r"grpc-.*|.*-bin")


class UrlError(ValueError):
    """A URL is wrong; the message gives the reason and shows no part of the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A bucket of an InfluxDB server, whose URL is spelled by `normalized`; InfluxDB 1.x needs no org."""

    url: str
    org: str
    bucket: str

    @property
    def id(self) -> str:
        """Returns 12 hex digits that identify the bucket; the token is not part of them."""
        return _digest(f"{self.url}\n{self.org}\n{self.bucket}")

    @property
    def label(self) -> str:
        """Returns a description for people."""
        org = f" org={self.org}" if self.org else ""
        return f"{self.url}{org} bucket={self.bucket}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpDestination:
    """A receiver of OTLP logs; `endpoint` is the URL of requests, or for `grpc` scheme, host and port."""

    endpoint: str
    protocol: str

    @property
    def id(self) -> str:
        """Returns 12 hex digits that identify the receiver; headers are not part of them."""
        return _digest(f"otlp\n{self.protocol}\n{self.endpoint}")

    @property
    def label(self) -> str:
        """Returns a description for people."""
        return f"{self.endpoint} ({self.protocol})"


def otlp_destination(base: str | None, logs: str | None, protocol: str, *, insecure: bool) -> OtlpDestination:
    """Combines the endpoint of all signals, the endpoint of logs (which takes precedence) and the protocol."""
    if protocol == GRPC:
        given = logs or base or _DEFAULT_GRPC_RECEIVER
        url = given if "://" in given else f"{'http' if insecure else 'https'}://{given}"
        scheme, _, rest = endpoint(url).partition("://")
        return OtlpDestination(endpoint=f"{scheme}://{rest.partition('/')[0]}", protocol=protocol)
    url = endpoint(logs) if logs else endpoint(base or _DEFAULT_HTTP_RECEIVER).rstrip("/") + "/v1/logs"
    return OtlpDestination(endpoint=url, protocol=protocol)


def parse_headers(text: str) -> dict[str, str] | None:
    """Reads `name=value` pairs, separated by commas and encoded as in a URL; returns None if they are wrong."""
    with fork_gate():
        from urllib.parse import unquote  # noqa: PLC0415 - only with headers; it imports ipaddress
    headers: dict[str, str] = {}
    for item in filter(str.strip, text.split(",")):
        name, equals, encoded = item.partition("=")
        name, value = name.strip().lower(), unquote(encoded).strip()
        if not (equals and _is_header(name) and value.isascii() and value.isprintable()) or _is_reserved_by_grpc(name):
            return None
        headers[name] = value
    return headers


def normalized(url: str) -> str:
    """Returns the one spelling of an InfluxDB server's URL, or raises `UrlError`."""
    server, path = _spelled(
        url, secrets="a token goes into INFLUXDB_TOKEN, a user into INFLUXDB_USERNAME and INFLUXDB_PASSWORD"
    )
    path = path.rstrip("/")
    if re.search(r"/api/v\d|/write$|/query$", path):
        raise UrlError("it is the URL of an API call; leave out /api/v2 and everything after it")
    return server + path


def endpoint(url: str) -> str:
    """Returns the one spelling of an OTLP receiver's URL, its path unchanged, or raises `UrlError`."""
    return "".join(_spelled(url, secrets="secrets go into OTEL_EXPORTER_OTLP_HEADERS"))


def checked_proxy(url: str) -> ProxyUrl:
    """Returns a proxy's URL, which may have a user and a password, without its last slash, or raises `UrlError`."""
    parts = _split(url, _PROXY_PORTS)
    _host(parts)
    _port(parts)
    if parts.path not in ("", "/") or "?" in url or "#" in url:
        raise UrlError("it has a path, a query or a fragment")
    return ProxyUrl(parts.scheme + url[len(parts.scheme) :].removesuffix("/"))


def _spelled(url: str, *, secrets: str) -> tuple[str, str]:
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise UrlError(f"it has a user or a password; {secrets}")
    if "?" in url or "#" in url:
        raise UrlError("it has a query or a fragment")
    if not _is_path(parts.path):
        raise UrlError("its path has characters that a URL cannot have")
    return f"{parts.scheme}://{_host(parts)}{_port(parts)}", parts.path


def _split(url: str, schemes: Mapping[str, int] = _DEFAULT_PORTS) -> "SplitResult":
    if not url.isprintable() or " " in url:  # urlsplit drops some of these silently
        raise UrlError("it has spaces or control characters")
    with fork_gate():
        from urllib.parse import urlsplit  # noqa: PLC0415 - only with a URL; it imports ipaddress
    try:
        parts = urlsplit(url)
    except ValueError:  # its message shows parts of the URL
        parts = None
    if parts is None:
        raise UrlError("its host cannot be read")
    if parts.scheme not in schemes or not url[len(parts.scheme) :].startswith("://"):
        raise UrlError(f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return parts


def _host(parts: "SplitResult") -> str:
    host = parts.hostname or ""
    if "[" in parts.netloc:
        with fork_gate():
            import ipaddress  # noqa: PLC0415 - only for such a host
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError:
            raise UrlError("its host is not an IPv6 address") from None
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        host = ""
    if _is_host(host):
        return host
    raise UrlError("its host is missing or not a host name")


def _port(parts: "SplitResult") -> str:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise UrlError("its port is not a number from 1 to 65535")
    return "" if port in (None, _PROXY_PORTS[parts.scheme]) else f":{port}"


def _digest(text: str) -> str:
    with fork_gate():
        import hashlib  # noqa: PLC0415 - only with a destination
    return hashlib.sha256(text.encode()).hexdigest()[:12]
