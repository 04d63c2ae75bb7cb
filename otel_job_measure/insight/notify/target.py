"""Where notifications go: one URL, one kind of target."""

import hashlib
import threading
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

from otel_job_measure.errors import NotifyError, PartlyTakenError
from otel_job_measure.insight.notify import apprise, command, mail, webhook
from otel_job_measure.insight.notify.message import Message
from otel_job_measure.printable import printable
from otel_job_measure.settings.secret import mask

KINDS: Final = (
    "`mailto:ops@example.com`, `smtp://user:password@host/?to=ops@example.com`, `https://host/path` (JSON by POST), "
    "`exec:/path/to/command`, or any URL of Apprise"
)
_MOST: Final = 4096
_SHOWN: Final = 300


class Send(Protocol):
    """Sends a message, or raises `NotifyError`; it comes back in time."""

    def __call__(self, message: Message, *, timeout_s: float) -> None:
        """Sends a message."""


class Target:
    """One target; nothing that is printed has the secrets in its URL.

    Args:
        target_id: A hash of its URL: what the memory keeps in place of the URL.
        shown: Its URL without anything that may be a secret.
        send: Sends a message.
        secrets: What is replaced in the words of the target.
    """

    def __init__(self, target_id: str, shown: str, send: Send, secrets: tuple[str, ...]) -> None:
        self.id = target_id
        self.shown = shown
        self._send = send
        self._secrets = secrets
        self._thread: threading.Thread | None = None

    def send(self, message: Message, *, timeout_s: float) -> None:
        """Sends a message.

        Args:
            message: The message.
            timeout_s: How long it may take, in seconds.

        Raises:
            PartlyTakenError: The target took it, but not for all recipients.
            NotifyError: The target did not take it in time; the text says why and has no secrets.
        """
        if self._thread is not None and self._thread.is_alive():
            raise NotifyError("an earlier message is still on its way")
        failed: list[Exception] = []

        def run() -> None:
            try:
                self._send(message, timeout_s=timeout_s)
            except Exception as error:  # noqa: BLE001 - a library's bug must not end the checker
                failed.append(error)

        # In a thread: a server that answers one byte at a time renews the time-out of smtplib and Apprise for ever.
        self._thread = threading.Thread(target=run, name="otel-job-measure-notify", daemon=True)
        self._thread.start()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise NotifyError(f"no answer within {timeout_s:g} s")
        if failed:
            words = str(failed[0]) if isinstance(failed[0], NotifyError) else repr(failed[0])
            kind = PartlyTakenError if isinstance(failed[0], PartlyTakenError) else NotifyError
            raise kind(printable(mask(words, self._secrets))[:_SHOWN]) from None

    def __repr__(self) -> str:
        return f"Target({self.shown!r})"


_SENDERS: Final[dict[str, Callable[[str, str], Send]]] = {
    "mailto": mail.sender,
    "smtp": mail.sender,
    "smtps": mail.sender,
    "http": webhook.sender,
    "https": webhook.sender,
    "exec": command.sender,
}


def target_of(url: str, *, secret: str = "") -> Target:
    """Returns the target of a URL.

    Args:
        url: One of `KINDS`.
        secret: What JSON bodies are signed with; empty for no signature.

    Raises:
        NotifyError: The URL cannot be used; the text does not show its secrets.
        MissingDependencyError: The URL is one of Apprise, which is not installed.
    """
    given = url.strip()
    if not given or len(given) > _MOST or not given.isprintable():
        raise NotifyError(f"a target is one line of at most {_MOST} characters; it takes {KINDS}")
    scheme, colon, rest = given.partition(":")
    scheme = scheme.lower()
    is_address = scheme == "mailto" and not rest.startswith("//")  # Apprise's mails have a host
    make = _SENDERS.get(scheme if scheme != "mailto" or is_address else "", apprise.sender)
    if not colon:
        raise NotifyError(f"a target without a scheme cannot be used; it takes {KINDS}")
    try:
        send, shown, hidden = make(given, secret), _shown(scheme, given), _secrets(scheme, given, secret)
    except ValueError as error:  # of urlsplit: a bracket too few
        raise NotifyError(f"a target cannot be used as a URL ({error}); it takes {KINDS}") from error
    return Target(hashlib.sha256(f"{given}\n{secret}".encode()).hexdigest()[:16], shown, send, hidden)


def _shown(scheme: str, url: str) -> str:
    """Returns a URL for people: of a webhook, the path is the secret."""
    if scheme in {"mailto", "exec"} and "//" not in url[:10]:
        return url if scheme == "mailto" else f"exec:{url[5:].split(' ', 1)[0]}"
    if scheme not in _SENDERS:
        return f"{scheme}://***"
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{scheme}://{host}/***" if scheme.startswith("http") else f"{scheme}://{host}"


def _secrets(scheme: str, url: str, secret: str) -> tuple[str, ...]:
    if scheme in {"mailto", "exec"} and "//" not in url[:10]:
        return (secret,)
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    if scheme in {"smtp", "smtps"}:
        return secret, user, user.partition(":")[2]
    return secret, user, user.partition(":")[2], parts.path.strip("/"), parts.query
