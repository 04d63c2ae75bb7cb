"""How long the bucket keeps its points, and what that means for the pruning here."""

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import urlencode

from otel_job_measure.errors import StoreError
from otel_job_measure.insight.check import LOOK_NS
from otel_job_measure.insight.doctor.finding import WARNING, Finding, span
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.influxdb.connection import Connection

_CHECK_S: Final = LOOK_NS / 1e9
_FOREVER: Final = 0.0
_parts = re.compile(r"([0-9]{1,12})(h|m|s)").findall
_UNITS_S: Final = {"h": 3600, "m": 60, "s": 1}
_V1: Final = 1
_V3: Final = 3
_ERRORS: Final = (StoreError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def examined(asked: Asked) -> Iterator[Finding]:
    """Yields what is found of the bucket's retention."""
    seconds = _retention_s(asked)
    settings = asked.settings
    bucket, kept_s = settings.influxdb_bucket, settings.retention_s
    here = f"the local history prunes after {span(kept_s)}" if settings.history else "there is no local history"
    facts = {"retention_s": seconds, "history_retention_s": kept_s}
    if seconds is None:
        text = f"How long {bucket} keeps points cannot be known: the token may not see it, or the server does not tell."
        yield Finding(check="server.retention", text=text, facts=facts)
    elif seconds == _FOREVER:
        text = f"{bucket} keeps points for ever; {here}."
        yield Finding(check="server.retention", text=text, facts=facts)
    elif seconds < _CHECK_S:
        text = f"{bucket} keeps points for {span(seconds)}, and `check` looks back for {span(_CHECK_S)}."
        advice = f"let it keep them for {span(_CHECK_S)} at least: with less, `check` takes pruned runs for missed ones"
        yield Finding(check="server.retention", level=WARNING, text=text, advice=advice, facts=facts)
    else:
        text = f"{bucket} keeps points for {span(seconds)}; {here}."
        if seconds < kept_s and settings.history:
            text += " Runs older than the bucket's are only here, and `ship --backfill` cannot send them."
        yield Finding(check="server.retention", text=text, facts=facts)


def _retention_s(asked: Asked) -> float | None:
    """Returns how long, 0 for ever; None if that cannot be known."""
    if asked.server.generation == _V3:
        return None
    try:
        return _of_1(asked.connection()) if asked.server.generation == _V1 else _of_2(asked.connection())
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
        row: Mapping[str, Any] = dict(zip(series["columns"], values, strict=True))
        if row["name"] == policy or (not policy and row["default"]):
            return float(sum(int(count) * _UNITS_S[unit] for count, unit in _parts(row["duration"])))
    return None


def _is_plain(database: str) -> bool:
    return '"' not in database and "\\" not in database and "\n" not in database
