"""InfluxDB passes the contract of all stores."""

import pytest

from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import RunStore
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.insight.contract import CLOCK_NS, Load
from tests.insight.influxdb.remote import RemoteContract
from tests.support.influx import InfluxServer


@pytest.fixture
def load(real_influx: InfluxServer, real_bucket: str) -> Load:
    """Writes lines into a bucket of their own."""

    def loaded(data: bytes) -> RunStore:
        if data:
            real_influx.write(data, real_bucket)
        settings = Settings(**real_influx.arguments(real_bucket), timeout_s=60)  # the machine may be busy
        return InfluxStore(settings, ManualClock(wall=CLOCK_NS))

    return loaded


class TestInfluxStore(RemoteContract):
    """InfluxDB."""
