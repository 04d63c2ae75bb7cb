"""Removes rows of the doctor's own from an InfluxDB, if the token and the server allow that."""

import json
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

from otel_job_measure.delivery.influxdb.responses import Response, short
from otel_job_measure.errors import JobMeasureError
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.influxdb.connection import Connection
from otel_job_measure.insight.influxdb.refusals import refusal
from otel_job_measure.insight.influxdb.times import text_of

_JSON: Final = {"Content-Type": "application/json"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_FIRST: Final = text_of(0)
_LAST: Final = "2200-01-01T00:00:00Z"
_V1: Final = 1
_V3: Final = 3


class Series(NamedTuple):
    """The rows of some measurements that have one value of a tag."""

    measurements: tuple[str, ...]
    tag: str
    value: str


def removed(asked: Asked, series: Series) -> str:
    """Removes all rows of a series, as far as that is possible; returns why not all, empty if they are gone."""
    if asked.server.generation == _V3:
        return "InfluxDB 3 deletes no rows"
    # What may write may delete; a token for reading may not.
    settings = asked.settings.changed(read_token=None, read_token_file=None)
    ask = _of_1 if asked.server.generation == _V1 else _of_2
    try:
        connection = Asked(settings=settings, server=asked.server, budget=asked.budget).connection()
        whys = [ask(connection, measurement, series) for measurement in series.measurements]
    except JobMeasureError as error:
        return str(error).partition("; ")[0]
    return next(filter(None, whys), "")


def _of_2(connection: Connection, measurement: str, series: Series) -> str:
    """Asks an InfluxDB 2."""
    predicate = f'_measurement="{measurement}" AND {series.tag}={json.dumps(series.value, ensure_ascii=False)}'
    response = connection.post(
        "/api/v2/delete",
        query={"org": connection.destination.org, "bucket": connection.destination.bucket},
        body=json.dumps({"start": _FIRST, "stop": _LAST, "predicate": predicate}).encode(),
        headers=_JSON,
    )
    return "" if response.status == HTTPStatus.NO_CONTENT else _said(connection, response)


def _of_1(connection: Connection, measurement: str, series: Series) -> str:
    """Asks an InfluxDB 1.x, whose errors come with the status 200 too."""
    value = series.value.replace("\\", r"\\").replace("'", r"\'").replace("\n", r"\n")
    database = connection.destination.bucket.partition("/")[0]
    response = connection.post(
        "/query",
        query={"db": database, "q": f"""DROP SERIES FROM "{measurement}" WHERE "{series.tag}" = '{value}'"""},
        headers=_FORM,
    )
    if response.status != HTTPStatus.OK:
        return _said(connection, response)
    try:
        results = cast("list[dict[str, Any]]", json.loads(response.body)["results"])
        return next((short(connection.masked(str(each["error"]))) for each in results if "error" in each), "")
    except (ValueError, LookupError, TypeError):
        return "the answer cannot be read"


def _said(connection: Connection, response: Response) -> str:
    return refusal(response, connection.destination.bucket, connection.masked).partition("; ")[0]
