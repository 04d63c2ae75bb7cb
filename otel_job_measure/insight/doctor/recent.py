"""The last hour: how many of this machine's runs are in InfluxDB."""

from collections.abc import Iterator
from typing import Final

from otel_job_measure import names
from otel_job_measure.errors import HistoryError, StoreError
from otel_job_measure.history.inspection import uuids_for
from otel_job_measure.history.wanted import Wanted
from otel_job_measure.insight.doctor import past
from otel_job_measure.insight.doctor.finding import OK, PROBLEM, WARNING, Finding, number
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.influxdb.ask import Ask, rows
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.settings import Settings
from otel_job_measure.settings.model import ANY

_HOUR_NS: Final = 3600 * 10**9
_FRESH_NS: Final = 120 * 10**9
"""Points of so late a time may still be on their way."""
_MINUTE_NS: Final = 60 * 10**9


def examined(local: Settings, asked: Asked, host: str, now_ns: int) -> Iterator[Finding]:
    """Yields how well the last hour was delivered."""
    since_ns, until_ns = now_ns - _HOUR_NS, now_ns - _FRESH_NS
    try:
        here = _here(local, asked, since_ns, until_ns)
        there = _there(asked, since_ns, until_ns) if here else set[str]()
        minutes = _minutes_with_a_word(asked, host, since_ns)
    except (HistoryError, StoreError) as error:
        text = f"Whether the runs of the last hour arrived cannot be known: {str(error).partition('; ')[0]}."
        yield Finding(check="writes.hour", text=text)
        return
    came = len(here & there)
    facts = {"runs": len(here), "delivered": came, "minutes_with_a_word": minutes}
    if not here:
        text = "No run for this server began in the last hour, but for the last two minutes."
        text += f" This host spoke to InfluxDB in {minutes} of 60 minutes."
        yield Finding(check="writes.hour", text=text, facts=facts)
        return
    level = OK if came == len(here) else WARNING if came else PROBLEM
    text = f"{came} of the {number(len(here), 'run')} of the last hour are in InfluxDB."
    advice = "see what waits and why, and what was refused" if level else ""
    yield Finding(check="writes.hour", level=level, text=text, advice=advice, facts=facts)


def _here(local: Settings, asked: Asked, since_ns: int, until_ns: int) -> set[str]:
    """Returns the runs of the history that were written for this server."""
    path = past.path_of(local)
    if path is None:
        return set()
    with past.opened(path, asked.budget) as (connection, found):
        if found.version != found.newest:
            return set()
        return uuids_for(connection, (asked.settings.destination_id, ANY), since_ns, until_ns)


def _there(asked: Asked, since_ns: int, until_ns: int) -> set[str]:
    """Returns the runs in InfluxDB; a start can have been stamped a little earlier or later."""
    wanted = Wanted(since_ns=since_ns - _MINUTE_NS, until_ns=until_ns + _MINUTE_NS)
    return {run.uuid for run in InfluxStore(asked.connection_settings()).starts(wanted)}


def _minutes_with_a_word(asked: Asked, host: str, since_ns: int) -> int:
    ask = Ask(
        measurements=(names.SENDERS,), fields=(names.FIELD_PENDING,), since_ns=since_ns, tags={names.TAG_HOST: {host}}
    )
    return len({(row.time_ns or 0) // _MINUTE_NS for row in rows(asked.language(), ask)})
