"""On what machine, and with which versions, something was measured."""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from benchmarks.bench import Bench
from tests.support.influxd import VERSION

_PACKAGES = (
    "otel-job-measure",
    "opentelemetry-sdk",
    "influxdb-client",
    "sentry-sdk",
    "pyperf",
    "cronwatch-sdk",
    "requests",
    "celery",
    "opentelemetry-instrumentation-celery",
    "rq",
)


def machine() -> dict[str, str]:
    """Returns the machine's line, in parts."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def versions(bench: Bench) -> dict[str, str]:
    """Returns the versions of all that is compared, as far as it is installed.

    Args:
        bench: The servers.
    """
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if bench.influx is not None:
        found["InfluxDB"] = VERSION if bench.influx.process is not None else "of the user's own"
    return found


def today() -> str:
    """Returns the date, in UTC."""
    return datetime.now(UTC).date().isoformat()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
