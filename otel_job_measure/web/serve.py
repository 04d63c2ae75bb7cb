"""Serves the page until a signal comes."""

import errno
import gc
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from otel_job_measure.errors import SettingsError, StateDirError
from otel_job_measure.settings.secret import Secret, SecretFile, token_from
from otel_job_measure.web import server
from otel_job_measure.web.hosts import Hosts
from otel_job_measure.web.key import LEAST, Key
from otel_job_measure.web.look import Look, Looks
from otel_job_measure.web.site import Site

_COLLECT: Final = (700, 10, 1000)
"""The garbage collector stops all threads, for a third of a second with 10,000 jobs: it may go through all rarely."""


class _Later:
    """What takes looks, once it is known."""

    def __init__(self) -> None:
        self.looks: Looks | None = None

    def __call__(self) -> Look:
        if self.looks is None:
            raise StateDirError("the store is not open yet")
        return self.looks()


def serve(  # noqa: PLR0913 - the options of the command
    *,
    address: str,
    port: int,
    names: Collection[str],
    token_file: Path | None,
    open_store: Callable[[], Looks],
    tell: Callable[[str], None],
) -> None:
    """Listens, opens the store, says the URL, and answers until a signal comes.

    Args:
        address: Where it listens.
        port: 0 for any free port.
        names: Further names under which browsers may ask for the page.
        token_file: The file with the token; without one, a new token is a part of the URL.
        open_store: Returns what takes looks; by then everything else is loaded, because it may take the rights of
            another user.
        tell: Gets the URL.

    Raises:
        SettingsError: The address or the token cannot be used.
    """
    try:
        listener = server.listening(address, port)
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        hint = f"--port {port} is taken; --port 0 takes a free one" if is_taken else os.strerror(error.errno or 0)
        raise SettingsError(f"cannot listen on {_url(address, port)}: {hint}") from error
    with listener:
        port = int(listener.getsockname()[1])
        key, shown = _key(token_file, port)
        later = _Later()
        site = Site(later, key, Hosts(address=address, names=names))
        serving = server.prepared(site.app, site.stop)
        later.looks = open_store()
        gc.set_threshold(*_COLLECT)
        site.start()
        tell(f"{_url(address, port)}/{shown}")
        serving.serve_on(listener)


def _key(token_file: Path | None, port: int) -> tuple[Key, str]:
    """Returns the key to the page, and what follows its address in the URL."""
    if token_file is None:
        key, token = Key.new(port)
        return key, f"?token={token}"
    takes = f"a token of {LEAST} or more characters, without spaces"
    return Key(SecretFile(token_file, "--token-file", takes, _long_token).secret(), port), ""


def _long_token(text: str) -> Secret | None:
    found = token_from(text)
    return found if found is not None and len(found.reveal()) >= LEAST and " " not in found.reveal() else None


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
