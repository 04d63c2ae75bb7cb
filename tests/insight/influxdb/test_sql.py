"""InfluxDB 3, in its own SQL engine behind a stub, passes the contract of all stores."""

from collections.abc import Iterator

import pytest

from otel_job_measure.errors import StoreError
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.insight.run_store import ALL, RunStore
from otel_job_measure.settings import Settings
from otel_job_measure.testing import ManualClock
from tests.insight.contract import CLOCK_NS, Load
from tests.insight.influxdb.remote import RemoteContract
from tests.support.sql3 import Sql3, sql_3


@pytest.fixture(scope="module")
def stub() -> Iterator[Sql3]:
    """A stub of InfluxDB 3."""
    with sql_3() as stub:
        yield stub


@pytest.fixture
def load(stub: Sql3) -> Load:
    """Puts lines into a database of their own."""

    def loaded(data: bytes) -> RunStore:
        settings = Settings(**stub.arguments(stub.new_database(data)), timeout_s=60)  # the machine may be busy
        return InfluxStore(settings, ManualClock(wall=CLOCK_NS))

    return loaded


class TestSqlStore(RemoteContract):
    """InfluxDB 3."""

    many = 5_000  # the stub makes each answer as a whole


def test_what_is_not_there_or_not_allowed_is_one_clear_error(stub: Sql3) -> None:
    """The error names the database, or the variable of the token."""
    with pytest.raises(StoreError, match=r"InfluxDB 3\.10\.0 Core answered 404.*has no 'nothing'"):
        InfluxStore(Settings(**stub.arguments("nothing"))).latest(ALL, 1)
    with pytest.raises(StoreError, match=r"401 Unauthorized.*READ_TOKEN"):
        InfluxStore(Settings(**stub.arguments("nothing"), read_token="wrong")).latest(ALL, 1)
