"""What the tests of settings share."""

from typing import Any

import pytest

from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Settings

TOKEN = "t0p-s3cr3t=="
SERVER = {
    "INFLUXDB_URL": "http://localhost:8086",
    "INFLUXDB_TOKEN": TOKEN,
    "INFLUXDB_ORG": "my org",
    "INFLUXDB_BUCKET": "jobs",
}
PREFIX = "OTEL_JOB_MEASURE_"

# With arguments of any type.
from_env: Any = Settings.from_env
settings: Any = Settings


def problems(environ: dict[str, str], **arguments: object) -> list[str]:
    """The lines of the error."""
    with pytest.raises(SettingsError) as caught:
        from_env(environ, **arguments)
    return str(caught.value).splitlines()
