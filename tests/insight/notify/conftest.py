from collections.abc import Iterator

import pytest

from tests.insight.notify.receivers import MailServer, Webhook


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A receiver of JSON."""
    receiver = Webhook()
    yield receiver
    receiver.close()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A receiver of mails."""
    receiver = MailServer()
    yield receiver
    receiver.close()
