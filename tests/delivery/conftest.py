from collections.abc import Iterator

import pytest

from tests.delivery.support import TinyServer


@pytest.fixture
def tiny() -> Iterator[TinyServer]:
    """A tiny HTTP server."""
    server = TinyServer()
    yield server
    server.close()


@pytest.fixture
def tiny_tls() -> Iterator[TinyServer]:
    """The same with a certificate that nobody trusts."""
    server = TinyServer(tls=True)
    yield server
    server.close()
