"""influxdb-client by hand: two points a run, without a span, and nothing of it on disk."""

import secrets
import time
from typing import Any

from benchmarks.contenders.contender import JOB, TAGS, Where, job
from benchmarks.contenders.libraries import library


class ByHand:
    """Writes a start, runs the job, writes an end.

    Args:
        where: The server.
        options: How influxdb-client writes.
    """

    def __init__(self, where: Where, options: Any) -> None:  # noqa: ANN401 - it has no types
        influxdb_client = library("influxdb_client")
        self._client = influxdb_client.InfluxDBClient(where.server, where.token, org=where.org)
        self._point = influxdb_client.Point
        self._bucket = where.bucket
        self._api = self._client.write_api(write_options=options)

    @classmethod
    def synchronous(cls, where: Where) -> "ByHand":
        """Waits for each answer."""
        return cls(where, library("influxdb_client.client.write_api").SYNCHRONOUS)

    @classmethod
    def batching(cls, where: Where) -> "ByHand":
        """Collects points in memory and sends them from a thread, as the client does by default."""
        return cls(where, library("influxdb_client").WriteOptions())

    def run(self) -> object:
        """Runs the job once."""
        uuid = secrets.token_hex(6)
        self._write(uuid, "start")
        result = job()
        self._write(uuid, "end")
        return result

    def settle(self) -> None:
        """Has no way to send what is in its batch."""

    def close(self) -> None:
        """Sends what is in its batch."""
        self._api.close()
        self._client.close()

    def _write(self, uuid: str, status: str) -> None:
        point = self._point("scheduling-job").tag("job", JOB)
        for name, value in TAGS.items():
            point.tag(name, value)
        point.field("uuid", uuid).field("status", status).time(time.time_ns())
        self._api.write(self._bucket, record=point)
