"""Which `Host` headers the page answers: a name of another site must not lead a browser to it (DNS rebinding)."""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass

_split = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@?#\s]+)(?::[0-9]{1,5})?").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """The hosts under which the page can be asked for; any port, because a tunnel may have another one.

    Args:
        address: Where the server listens.
        names: Further names, of `--allow-host`.
    """

    address: str
    names: Collection[str] = ()

    def allows(self, header: str) -> bool:
        """Returns whether a `Host` header names this server.

        An address cannot be rebound, so a server that listens on all addresses may be asked for by any of them.
        """
        found = _split(header)
        if found is None:
            return False
        name = found[1].lower().rstrip(".")
        if name in {each.lower().rstrip(".") for each in self.names}:
            return True
        here = ipaddress.ip_address(self.address)
        if name == "localhost":
            return here.is_loopback or here.is_unspecified
        try:
            asked = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return here.is_unspecified or asked == here or (here.is_loopback and asked.is_loopback)
