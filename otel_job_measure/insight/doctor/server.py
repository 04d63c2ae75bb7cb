"""The InfluxDB server: which one it is, whether it can be reached, its TLS and its clock."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

from otel_job_measure import names
from otel_job_measure.delivery.http import HUNG_UP, NO_HTTP
from otel_job_measure.delivery.influxdb.advice import Server
from otel_job_measure.delivery.influxdb.responses import Response
from otel_job_measure.errors import StoreError
from otel_job_measure.insight.doctor.finding import OK, PROBLEM, WARNING, Budget, Finding, span
from otel_job_measure.insight.influxdb.ask import Language
from otel_job_measure.insight.influxdb.connection import Connection
from otel_job_measure.insight.influxdb.server import language_of
from otel_job_measure.settings import Destination, Settings

_OFF_S: Final = 10.0
_FAR_S: Final = 180.0
"""A host whose clock is further ahead gets a finding of its own from `check`, and its misses are unknown."""
_SOON_S: Final = 14 * 86_400
_LOCAL: Final = ("localhost", "127.", "::1")
_HUNG_UP: Final = (HUNG_UP, NO_HTTP, "reset")
_MOST_HANDSHAKE_S: Final = 3.0


@dataclass(slots=True, kw_only=True)
class Asked:
    """An InfluxDB that answered.

    Args:
        settings: With a destination that is an InfluxDB.
        server: Which one it is.
        budget: How much time is left.
    """

    settings: Settings
    server: Server
    budget: Budget

    def connection_settings(self) -> Settings:
        """Returns the settings with a time-out that ends in time."""
        return _in_time(self.settings, self.budget)

    def connection(self) -> Connection:
        """Returns a connection whose requests end in time."""
        return Connection(self.connection_settings())

    def language(self) -> Language:
        """Returns what questions are asked in."""
        return language_of(self.connection())[1]


def examined(
    settings: Settings, budget: Budget, *, wall: Callable[[], float] = time.time
) -> "Iterator[Finding | Asked]":
    """Yields what is found of the server, and last the server itself if it answers as an InfluxDB does."""
    connection = Connection(_in_time(settings, budget))
    destination = connection.destination
    proxy, proxied_by = settings.proxy_for(destination.url), _proxy_variable(settings, destination.url)
    if proxy is not None:
        yield Finding(check="server.proxy", text=f"Requests go through the proxy {proxy} of {proxied_by}.")
    where: dict[str, object] = {"url": destination.url, "org": destination.org or None, "bucket": destination.bucket}
    try:
        before_s = wall()
        response = connection.get("/ping")
        after_s = wall()
        server, _ = language_of(connection)
    except StoreError as error:
        said = str(error).replace(f"{names.ENV_PREFIX}PROXY", proxied_by)
        text, advice = _unreachable(said, destination.url, budget)
        text = f"InfluxDB cannot be reached: {text}."
        yield Finding(check="server.reachable", level=PROBLEM, text=text, advice=advice, facts=where)
        return
    finally:
        connection.close()
    yield _reachable(response, server, where, after_s - before_s)
    yield from _encrypted(settings, destination, budget)
    yield from _clock(response, before_s, after_s)
    yield Asked(settings=settings, server=server, budget=budget)


def _proxy_variable(settings: Settings, url: str) -> str:
    """Returns the variable that the proxy came from."""
    ours = settings.source("proxy")
    return ours or f"{urlsplit(url).scheme.upper()}_PROXY or ALL_PROXY"


def _in_time(settings: Settings, budget: Budget) -> Settings:
    """Returns settings whose requests end in time."""
    return settings.changed(timeout_s=round(min(settings.timeout_s, max(0.1, budget.left_s() - 0.5)), 1))


def _unreachable(said: str, url: str, budget: Budget) -> tuple[str, str]:
    """Returns why there was no answer, and what to do."""
    text, _, advice = said.partition("; ")
    if "expired" in text:
        return text, "renew the server's certificate; if it is not old, set this machine's clock"
    parts = urlsplit(url)
    if parts.scheme == "http" and any(word in text for word in _HUNG_UP) and _speaks_tls(parts, budget):
        return f"{text}: the server speaks TLS", f"let {names.ENV_INFLUXDB_URL} begin with https://"
    if "proxy" in text:
        return text, advice or "check the proxy; NO_PROXY names servers that need none"
    return text, advice or f"check {names.ENV_INFLUXDB_URL}, the network, and whether the server runs"


def _speaks_tls(parts: SplitResult, budget: Budget) -> bool:
    timeout_s = min(_MOST_HANDSHAKE_S, budget.left_s())
    try:
        _handshake(ssl.create_default_context(), parts.hostname or "", parts.port or 80, timeout_s)
    except ssl.SSLCertVerificationError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _reachable(response: Response, server: Server, where: dict[str, object], took_s: float) -> Finding:
    facts = {**where, "version": server.version or None, "build": server.build or None, "took_s": round(took_s, 4)}
    proxy = "" if server.version else " It does not say which version it is: a proxy may drop its headers."
    url = where["url"]
    if response.status >= 500 or (not server.version and response.status not in (200, 204, 401)):  # noqa: PLR2004
        advice = f"set {names.ENV_INFLUXDB_URL} to an InfluxDB, and check any proxy between"
        text = f"{url} answers {response.status} to /ping, which no InfluxDB does while it works."
        return Finding(check="server.reachable", level=PROBLEM, text=text, advice=advice, facts=facts)
    text = f"{server.title} answers at {url} in {took_s * 1000:.0f} ms.{proxy}"
    return Finding(check="server.reachable", level=WARNING if proxy else OK, text=text, facts=facts, advice="")


def _encrypted(settings: Settings, destination: Destination, budget: Budget) -> Iterator[Finding]:
    """Yields what is found of the connection's encryption."""
    parts = urlsplit(destination.url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        if host.startswith(_LOCAL):
            yield Finding(check="server.tls", text="The connection stays on this machine and is not encrypted.")
            return
        text = "Points and the token go over the network without encryption."
        advice = f"let {names.ENV_INFLUXDB_URL} begin with https://"
        yield Finding(check="server.tls", level=WARNING, text=text, advice=advice)
        return
    if settings.proxy_for(destination.url) is not None:
        yield Finding(check="server.tls", text="TLS works, through a proxy; the certificate was accepted.")
        return
    timeout_s = min(_MOST_HANDSHAKE_S, budget.left_s())
    try:
        version, ends_s = _certificate(settings, host, parts.port or 443, timeout_s)
    except (OSError, ValueError) as error:
        yield Finding(
            check="server.tls", text=f"TLS works; its certificate was not looked at ({type(error).__name__})."
        )
        return
    left_s = None if ends_s is None else ends_s - time.time()
    facts = {"version": version, "not_after_s": ends_s}
    if left_s is None:
        yield Finding(check="server.tls", text=f"TLS works ({version}).", facts=facts)
    elif left_s < _SOON_S:
        text = f"The server's certificate ends in {span(max(0, left_s))}."
        advice = "renew it; after that no point is delivered"
        yield Finding(check="server.tls", level=WARNING, text=text, advice=advice, facts=facts)
    else:
        yield Finding(
            check="server.tls", text=f"TLS works ({version}); the certificate ends in {span(left_s)}.", facts=facts
        )


def _certificate(settings: Settings, host: str, port: int, timeout_s: float) -> tuple[str, float | None]:
    """Returns the version of TLS and the end of the certificate, in s since 1970."""
    context = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
    if settings.influxdb_client_certificate is not None and settings.influxdb_client_key is not None:
        context.load_cert_chain(settings.influxdb_client_certificate, settings.influxdb_client_key)
    return _handshake(context, host, port, timeout_s)


def _handshake(context: ssl.SSLContext, host: str, port: int, timeout_s: float) -> tuple[str, float | None]:
    with (
        socket.create_connection((host, port), timeout=timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=host) as connected,
    ):
        found = connected.getpeercert() or {}
        ends = found.get("notAfter")
        return connected.version() or "TLS", ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None


def _clock(response: Response, before_s: float, after_s: float) -> Iterator[Finding]:
    """Yields how far the server's clock is from this machine's, by the Date of its answer, which has whole seconds."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
        at_s = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        yield Finding(check="server.clock", text="The server does not tell its time, so the clocks were not compared.")
        return
    if response.headers.get("age"):  # a cache has kept the answer
        at_s += _number(response.headers["age"])
    # Right is any time between the two of this machine, cut to a second.
    difference_s = at_s + 1 - before_s if at_s + 1 < before_s else max(0.0, at_s - after_s)
    facts = {"difference_s": round(difference_s, 1)}
    if abs(difference_s) < _OFF_S:
        yield Finding(check="server.clock", text="The clocks of the server and of this machine agree.", facts=facts)
        return
    where = "ahead of" if difference_s > 0 else "behind"
    text = f"The server's clock is {span(abs(difference_s))} {where} this machine's."
    more = ": rows get the time of this machine, and `check` believes no absence then"
    is_far = abs(difference_s) >= _FAR_S
    yield Finding(
        check="server.clock",
        level=PROBLEM if is_far else WARNING,
        text=text,
        advice=f"synchronize both clocks (NTP){more if is_far else ''}",
        facts=facts,
    )


def _number(text: str) -> float:
    return float(text[:9]) if text.isascii() and text.isdigit() else 0.0
