"""How long a bucket keeps its points."""

import json
import re
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import urlencode

from otel_job_measure.insight.influxdb.connection import Connection

_parts = re.compile(r"([0-9]{1,12})(h|m|s)").findall
_UNITS_S: Final = {"h": 3600, "m": 60, "s": 1}
_V1: Final = 1
_V3: Final = 3
_ERRORS: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


def retention_s(connection: Connection, generation: int | None) -> float | None:
    """Returns how long, 0 for ever; None if the token may not see it, or the server does not tell.

    Raises:
        StoreError: The server does not answer.
    """
    if generation == _V3:
        return None
    try:
        return _of_1(connection) if generation == _V1 else _of_2(connection)
    except _ERRORS:
        return None


def _of_2(connection: Connection) -> float | None:
    where = connection.destination
    org = {"org": where.org}
    for key in ("name", "id"):
        response = connection.get(f"/api/v2/buckets?{urlencode({**org, key: where.bucket})}")
        if response.status != HTTPStatus.OK:
            continue
        for bucket in cast("list[dict[str, Any]]", json.loads(response.body)["buckets"]):
            if bucket[key] == where.bucket:
                return float(sum(int(rule["everySeconds"]) for rule in bucket.get("retentionRules", ())))
    return None


def _of_1(connection: Connection) -> float | None:
    database, _, policy = connection.destination.bucket.partition("/")
    if not _is_plain(database):
        return None
    response = connection.post("/query", query={"q": f'SHOW RETENTION POLICIES ON "{database}"'})
    if response.status != HTTPStatus.OK:
        return None
    (result,) = json.loads(response.body)["results"]
    (series,) = result["series"]
    for values in series["values"]:
        row: dict[str, Any] = dict(zip(series["columns"], values, strict=True))
        if row["name"] == policy or (not policy and row["default"]):
            return float(sum(int(count) * _UNITS_S[unit] for count, unit in _parts(row["duration"])))
    return None


def _is_plain(database: str) -> bool:
    return '"' not in database and "\\" not in database and "\n" not in database
