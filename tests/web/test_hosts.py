"""Names under which the page may be asked for."""

import pytest

from otel_job_measure.web.hosts import Hosts


@pytest.mark.parametrize(
    ("address", "names", "header", "is_allowed"),
    [
        ("0.0.0.0", (), "192.168.1.7:8765", True),  # noqa: S104 - the case of the test
        ("0.0.0.0", (), "jobs.example", False),  # noqa: S104 - the case of the test
        ("0.0.0.0", ("jobs.example",), "Jobs.Example.:80", True),  # noqa: S104 - the case of the test
        ("192.168.1.7", (), "192.168.1.7", True),
        ("192.168.1.7", (), "192.168.1.8", False),
        ("192.168.1.7", (), "localhost", False),
        ("192.168.1.7", (), "127.0.0.1", False),
        ("::1", (), "[::1]:8765", True),
        ("::1", (), "localhost", True),
        ("::", (), "[fe80::1]:8765", True),
        ("127.0.0.1", ("tunnel",), "tunnel:1", True),
        ("127.0.0.1", ("tunnel",), "tunnel.example", False),
    ],
)
def test_a_host_is_allowed_if_it_cannot_be_rebound(
    address: str, names: tuple[str, ...], header: str, *, is_allowed: bool
) -> None:
    """An address is what it says; a name is allowed only if it was given."""
    assert Hosts(address=address, names=names).allows(header) is is_allowed
