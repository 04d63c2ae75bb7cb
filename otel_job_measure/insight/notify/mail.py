"""Mail by SMTP, with the standard library."""

import email.message
import email.policy
import email.utils
import smtplib
import socket
import ssl
from email.headerregistry import Address
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from otel_job_measure.errors import NotifyError, PartlyTakenError
from otel_job_measure.insight.notify.message import Message

_PORTS: Final = {"smtp": 25, "smtps": 465}
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OPTIONS: Final = frozenset({"to", "from"})


class _Mailbox:
    """A server and the addresses of its mails."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = parse_qs(parts.query, keep_blank_values=True)
        if unknown := options.keys() - _OPTIONS:
            raise NotifyError(f"a mail target has no option {min(unknown)!a}; it takes to and from")
        is_local = parts.scheme == "mailto"
        try:
            self._port = _PORTS["smtp"] if is_local else parts.port or _PORTS[parts.scheme]
        except ValueError as error:
            raise NotifyError("the port of a mail target is a number from 0 to 65535") from error
        self._host = "localhost" if is_local else parts.hostname or ""
        if not self._host:
            raise NotifyError("a mail target has no host; it takes smtp://host/?to=ops@example.com")
        self._is_tls = parts.scheme == "smtps"
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self.to = [
            address(each)
            for text in ([unquote(parts.path)] if is_local else options.get("to", ()))
            for each in text.split(",")
        ]
        if not self.to:
            raise NotifyError("a mail target has no recipient; it takes smtp://host/?to=ops@example.com")
        self.sender = address(options.get("from", [f"otel-job-measure@{_own_host()}"])[0])

    def __call__(self, message: Message, *, timeout_s: float) -> None:
        try:
            with self._connected(timeout_s) as server:
                refused = server.send_message(
                    _mail(message, self.sender, self.to),
                    str(self.sender.addr_spec),
                    [each.addr_spec for each in self.to],
                )
        except (smtplib.SMTPException, OSError) as error:
            raise NotifyError(f"the mail server {self._host} did not take the mail: {_why(error)}") from None
        if refused:
            words = f"the mail server {self._host} refused {len(refused)} of {len(self.to)} recipients"
            raise PartlyTakenError(f"{words}: {', '.join(sorted(refused))}")

    def _connected(self, timeout_s: float) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._is_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=timeout_s, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=timeout_s)
        try:
            self._greet(server, context)
        except BaseException:
            server.close()
            raise
        return server

    def _greet(self, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
        """Begins TLS if the server has it, and signs in; a password never goes in clear over a network."""
        server.ehlo_or_helo_if_needed()
        is_safe = self._is_tls or self._host in _LOCAL
        if not is_safe and server.has_extn("starttls"):
            server.starttls(context=context)
            is_safe = True
        if self._user:
            if not is_safe:
                raise NotifyError(f"the mail server {self._host} offers no TLS, so it does not get the password")
            server.login(self._user, self._password)


def sender(url: str, secret: str) -> _Mailbox:
    """Returns what sends mails to a URL; raises `NotifyError` if it cannot be used."""
    del secret  # signs JSON
    return _Mailbox(url)


def _mail(message: Message, by: Address, to: list[Address]) -> email.message.EmailMessage:
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    # The library would read =?utf-8?q?=0D=0ABcc:_x?= in a name as an encoded word, and write its newline.
    mail["Subject"] = message.subject.replace("=?", "= ?")
    mail["From"] = by
    mail["To"] = to
    mail["Date"] = email.utils.localtime()
    # The same however often it is sent: a receiver can drop a repetition.
    mail["Message-ID"] = f"<{message.id}@{by.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, cte="quoted-printable")
    return mail


def address(text: str) -> Address:
    """Returns a mail address, in ASCII: many servers take no other, and in a header it would become an encoded word.

    Raises:
        NotifyError: It is none.
    """
    try:
        given = Address(addr_spec=text.strip())
        found = Address(username=given.username, domain=given.domain.encode("idna").decode("ascii"))
    except Exception as error:  # the parser of addresses raises AttributeError and others too
        raise NotifyError(f"{text[:80]!a} is no mail address") from error
    if not found.domain or not found.username:
        raise NotifyError(f"{text[:80]!a} is no mail address; it takes one like ops@example.com")
    return found


def _own_host() -> str:
    name = socket.gethostname()
    return name if name.isascii() and name else "localhost"


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        return f"{error.smtp_code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
