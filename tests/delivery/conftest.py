from collections.abc import Iterator

import pytest

from tests.delivery.receivers import GrpcReceiver, closing, http_receiver
from tests.delivery.ship import LONG_S, Ship
from tests.delivery.support import RETRY, TinyServer


@pytest.fixture
def tiny() -> Iterator[TinyServer]:
    """A tiny HTTP server."""
    server = TinyServer()
    yield server
    server.close()


@pytest.fixture
def tiny_tls() -> Iterator[TinyServer]:
    """The same with a certificate that is not trusted."""
    server = TinyServer(tls=True)
    yield server
    server.close()


@pytest.fixture
def ship() -> Iterator[Ship]:
    """A shipper that is closed at the end, whatever its sink answers by then."""
    ship = Ship()
    yield ship
    ship.sink.always = RETRY
    ship.shipper.close(LONG_S)


@pytest.fixture
def http() -> Iterator[TinyServer]:
    """A receiver of OTLP logs over HTTP."""
    yield from closing(http_receiver())


@pytest.fixture
def http_tls() -> Iterator[TinyServer]:
    """The same with a certificate that is not trusted."""
    yield from closing(http_receiver(tls=True))


@pytest.fixture
def grpc() -> Iterator[GrpcReceiver]:
    """A receiver of OTLP logs over gRPC."""
    yield from closing(GrpcReceiver())


@pytest.fixture
def grpc_tls() -> Iterator[GrpcReceiver]:
    """The same with a certificate that is not trusted."""
    yield from closing(GrpcReceiver(tls=True))
