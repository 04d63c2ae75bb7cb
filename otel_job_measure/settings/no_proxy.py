"""Which servers `NO_PROXY` excepts from the proxy, as most programs read it."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult

_PORTS: Final = {"http": 80, "https": 443}
_SEPARATORS: Final = r"[,\s]+"
_NAME_AND_PORT: Final = r"(\[[^]]*\]|[^:]*):(\d{1,5})"


def is_excepted(url: SplitResult, no_proxy: str) -> bool:
    """Returns whether a URL's host is in a list of names, addresses and networks, each with or without a port.

    A name stands for its subdomains too, with a leading dot, `*.` or neither; `*` stands for every host.
    """
    host = (url.hostname or "").rstrip(".")
    port = url.port or _PORTS.get(url.scheme)
    return any(_is_one(host, port, entry.lower()) for entry in re.split(_SEPARATORS, no_proxy) if entry)


def _is_one(host: str, port: int | None, entry: str) -> bool:
    found = re.fullmatch(_NAME_AND_PORT, entry)
    if found is not None:
        if int(found[2]) != port:
            return False
        entry = found[1]
    name = entry.removeprefix("*").removeprefix(".").rstrip(".").strip("[]")
    if entry == "*" or (name and (host == name or host.endswith(f".{name}"))):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:  # one of them is a name
        return False
