"""JSON by POST, signed as Standard Webhooks says: a receiver can check the sender, and drop a repetition."""

import base64
import hashlib
import hmac
import time
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import urllib3

from otel_job_measure.delivery.client_certificate import ClientCertificate
from otel_job_measure.delivery.deadline import Deadline
from otel_job_measure.delivery.http import Variables, answer_to, pool_of
from otel_job_measure.delivery.influxdb.responses import NoAnswer, short
from otel_job_measure.errors import NotifyError
from otel_job_measure.insight.notify.message import Message
from otel_job_measure.settings.environment import standard_proxy

_AGENT: Final = "otel-job-measure"
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how secrets of the standard begin
_SLACK: Final = "hooks.slack.com"
_OK: Final = range(200, 300)


class _Webhook:
    """One receiver."""

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise NotifyError("a webhook has no host; it takes https://host/path")
        self._url, self._key = url, _key_of(secret)
        self._host = parts.netloc.rpartition("@")[2]
        self._is_slack = parts.hostname == _SLACK

    def __call__(self, message: Message, *, timeout_s: float) -> None:
        body = (_for_slack(message) if self._is_slack else message).encoded()
        _exchange("POST", self._url, self._host, body, _headers(message.id, body, self._key), timeout_s)


def check_ping(url: str) -> None:
    """Makes sure that a URL can be pinged.

    Raises:
        NotifyError: It cannot.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:  # a bracket too few
        is_usable = False
    if not is_usable:
        raise NotifyError("--ping takes a URL such as https://example.com/ping")


def ping(url: str, timeout_s: float = 10.0) -> None:
    """Gets a URL, so that another monitor sees that this one works; raises `NotifyError` if the answer is no 2xx."""
    check_ping(url)
    _exchange("GET", url, urlsplit(url).netloc.rpartition("@")[2], None, {"user-agent": _AGENT}, timeout_s)


def _exchange(  # noqa: PLR0913, PLR0917 - one request
    method: str, url: str, host: str, body: bytes | None, headers: dict[str, str], timeout_s: float
) -> None:
    deadline = Deadline()
    pool = pool_of(standard_proxy(url), deadline, ca_certs=None)
    send = partial(
        pool.request,
        method,
        url,
        body=body,
        headers=headers,
        timeout=urllib3.Timeout(total=timeout_s),
        preload_content=False,
        decode_content=False,
        redirect=False,
        retries=False,
    )
    variables = Variables(url="--notify", ca_file="SSL_CERT_FILE", own=ClientCertificate.for_influxdb())
    try:
        answer = answer_to(send, url=host, deadline=deadline.of(timeout_s), variables=variables, masked=str)
    except NoAnswer as error:
        raise NotifyError(str(error)) from None
    finally:
        pool.clear()
    if answer.status not in _OK:
        words = short(answer.body.decode("utf-8", "replace"))
        raise NotifyError(f"{host} answered {answer.status}{': ' if words else ''}{words}")


def sender(url: str, secret: str) -> _Webhook:
    """Returns what posts to a URL; raises `NotifyError` if it cannot be used."""
    return _Webhook(url, secret)


def _key_of(secret: str) -> bytes:
    """Returns the key of a secret: bytes in base64 behind `whsec_`, else the text itself."""
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise NotifyError(f"what stands behind {_SECRET_PREFIX} in the secret is not base64") from error


def _headers(message_id: str, body: bytes, key: bytes) -> dict[str, str]:
    sent = str(int(time.time()))
    headers = {
        "content-type": "application/json",
        "user-agent": _AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": sent,
    }
    if key:
        signed = hmac.new(key, f"{message_id}.{sent}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
    return headers


def _for_slack(message: Message) -> Message:
    """Returns a message without mentions and links of Slack, whatever the job's name."""
    text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Message(id=message.id, subject=message.subject, text=text, body={"text": text})
