"""The IANA name of this machine's time zone, so that a schedule can be evaluated elsewhere too."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo

_LINK = Path("/etc/localtime")
_FOLDER = "zoneinfo/"
_UTC = "UTC"


def local_zone(link: Path = _LINK) -> str:
    """Returns the name in TZ or the one that /etc/localtime links to, else UTC, which is what a container has."""
    named = os.environ.get("TZ", "").removeprefix(":")
    _, _, linked = str(link.resolve()).rpartition(_FOLDER)
    return next((name for name in (named, linked) if name and _is_known(name)), _UTC)


def _is_known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return False
    return True
