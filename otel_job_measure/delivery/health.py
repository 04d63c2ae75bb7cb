"""What a process knows of the delivery of its points."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

from otel_job_measure.delivery.shipper import Shipper
from otel_job_measure.journal.counters import Counters


class Health(NamedTuple):
    """The delivery of one process's points at one moment; counts are in points, since the process began."""

    reachable: bool | None = None
    """Whether the server (InfluxDB, or a receiver of OTLP) answered the last request; None before the first, or where
    there is none."""
    last_success: datetime | None = None
    """When it last took points, in UTC."""
    delivered: int = 0
    """What it has taken, points that others left included."""
    pending: int = 0
    """What is still on its way to it."""
    rejected: int = 0
    """What it refused for good."""
    expired: int = 0
    """What was older than the bucket's retention."""
    dropped: Mapping[str, int] = MappingProxyType({})
    """What had to be given up, by cause: `max_bytes`, `memory`, …"""
    oldest_pending_s: float | None = None
    """The age of the oldest point on its way, in seconds; None where there is none."""


class Reached(Protocol):
    """What a sink knows of its server."""

    reachable: bool | None
    last_success_ns: int | None


def health_of(counters: Counters, shipper: Shipper | None = None, server: Reached | None = None) -> Health:
    """Puts together what is known.

    Args:
        counters: The process's counts.
        shipper: What ships its points; None where nothing does.
        server: The sink of the server; None where there is none.

    Returns:
        The state at this moment.
    """
    counts = counters.now()
    success_ns = None if server is None else server.last_success_ns
    return Health(
        reachable=None if server is None else server.reachable,
        last_success=None if success_ns is None else datetime.fromtimestamp(success_ns / 1e9, UTC),
        delivered=counts.delivered,
        pending=0 if shipper is None else shipper.pending,
        rejected=counts.rejected,
        expired=counts.expired,
        dropped=counts.dropped,
        oldest_pending_s=None if shipper is None else shipper.oldest_pending_s(),
    )
