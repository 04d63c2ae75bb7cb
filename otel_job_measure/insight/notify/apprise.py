"""Everything else, by Apprise: Slack, Teams, Telegram, PagerDuty and a hundred more."""

from typing import Any, Final

from otel_job_measure.errors import MissingDependencyError, NotifyError
from otel_job_measure.insight.notify.message import Message

_INERT: Final = str.maketrans({"@": "@\u200b", "<": "\u2039", ">": "\u203a"})
"""So a job's name calls no channel and is no link: Apprise makes mentions and links of Slack even of half of one."""


class _Apprise:
    """One URL of Apprise."""

    def __init__(self, url: str) -> None:
        try:
            import apprise  # noqa: PLC0415 - an optional library
        except ImportError as error:
            raise MissingDependencyError("this target needs Apprise: pip install 'otel-job-measure[notify]'") from error
        self._library: Any = apprise
        self._service: Any = self._library.Apprise.instantiate(url, suppress_exceptions=True)
        if self._service is None:
            raise NotifyError(f"Apprise does not take the target {url.partition(':')[0][:20]!a}://***")

    def __call__(self, message: Message, *, timeout_s: float) -> None:
        self._service.socket_connect_timeout = self._service.socket_read_timeout = timeout_s
        text, subject = message.text.translate(_INERT), message.subject.translate(_INERT)
        sent = self._service.notify(body=text, title=subject, body_format=self._library.NotifyFormat.TEXT)
        if not sent:
            raise NotifyError(f"{self._service.service_name} did not take the message")


def sender(url: str, secret: str) -> _Apprise:
    """Returns what sends by Apprise; raises `NotifyError` if Apprise does not take the URL."""
    del secret  # Apprise's URLs have their own
    return _Apprise(url)
