"""The page as a process of its own, with a real InfluxDB behind it."""

import time
from typing import Final

import pytest

from otel_job_measure.expectations.expectation import JobId
from tests.cli.test_web import get, listens, started
from tests.insight.contract import FAILED, whole
from tests.support.influx import InfluxServer

pytestmark = pytest.mark.timeout(600)  # on a busy machine

SECOND: Final = 10**9
NIGHTLY: Final = JobId("nightly", "billing", "production")


class _Visitor:
    """A browser with the cookie, which listens to what the server pushes."""

    def __init__(self, url: str) -> None:
        self._base, self._cookie = url.partition("?")[0], get(url)[2]
        self._stream = listens(self._base, self._cookie)

    def page(self, address: str = "") -> tuple[int, str]:
        """Returns the status and the text of a page."""
        return get(f"{self._base}{address}", self._cookie)[:2]

    def sees(self, text: str, address: str = "") -> bool:
        """Asks for a page after each push, until it has a text."""
        while text not in self.page(address)[1]:
            if not self._stream.recv(10_000):
                return False
        return True

    def close(self) -> None:
        """Leaves."""
        self._stream.close()


def test_the_page_of_a_real_influxdb(influx: InfluxServer, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has jobs, a job and a run; with the server away it keeps them and says why, and goes on afterwards."""
    now_ns = time.time_ns()
    influx.write(whole("abcdefghijk2", now_ns - 600 * SECOND, NIGHTLY, took_s=2.0), bucket)
    influx.write(whole("abcdefghijk3", now_ns - 300 * SECOND, NIGHTLY, took_s=3.0, outcome=FAILED), bucket)
    for name, value in influx.variables(bucket).items():
        monkeypatch.setenv(name, value)
    job = "job?job=nightly&project=billing&stage=production"
    with started("--from", "influxdb") as (_, url):
        visitor = _Visitor(url)
        assert visitor.sees("nightly")
        assert "the last run failed" in visitor.page()[1]
        assert visitor.page(job)[0] == 200
        for wanted in ("When it ran", "1 ok, 1 failed", "abcdefghijk2", "abcdefghijk3"):
            assert wanted in visitor.page(job)[1]
        status, run = visitor.page("run?uuid=abcdefghijk3")
        assert (status, "ValueError" in run, "3.00 s" in run, "abcdefghijk2" in run) == (200, True, True, True)
        assert visitor.page("run?uuid=zzz")[0] == 404
        with influx.stopped():
            assert visitor.sees("Not up to date")
            assert "the last run failed" in visitor.page()[1]
            assert visitor.sees("Connection refused")  # not at once: the server breaks off while it stops
        influx.write(whole("abcdefghijk4", time.time_ns() - SECOND, JobId("invoices"), took_s=1.0), bucket)
        assert visitor.sees("invoices")
        assert "Not up to date" not in visitor.page()[1]
        visitor.close()
