"""An app with one job, which waits until a query has seen the job's own start, and says what it has seen."""

import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from otel_job_measure import JobMeasure
from tests.support.influx import InfluxServer
from tests.support.processes import until


def wait() -> None:
    """Waits for the start of the only run that there is, and says all that is known of it by then."""
    environ = os.environ
    influx = InfluxServer(
        url=environ["INFLUXDB_URL"],
        token=environ.get("INFLUXDB_TOKEN") or f"{environ['INFLUXDB_USERNAME']}:{environ['INFLUXDB_PASSWORD']}",
        org=environ.get("INFLUXDB_ORG", "-"),
        bucket=environ["INFLUXDB_BUCKET"],
    )
    for row in until(influx.lines, "the start is in InfluxDB"):
        os.write(1, f"{row.fields['status']} {row.fields['uuid']}\n".encode())


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    if sys.argv[1] == "measured":
        JobMeasure().job("waits")(wait)()
    else:
        wait()
