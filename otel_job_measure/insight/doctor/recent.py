"""The last hour: how many of this machine's runs are in InfluxDB."""

from collections.abc import Iterator
from typing import Final

from otel_job_measure import names
from otel_job_measure.errors import HistoryError, StoreError
from otel_job_measure.history import questions
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.history.wanted import Wanted
from otel_job_measure.insight.doctor import past
from otel_job_measure.insight.doctor.finding import PROBLEM, WARNING, Finding, number
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.influxdb.ask import Ask
from otel_job_measure.insight.influxdb.store import InfluxStore
from otel_job_measure.settings import Settings

_HOUR_NS: Final = 3600 * 10**9
_FRESH_NS: Final = 120 * 10**9
"""Points of so late a time may still be on their way."""
_MINUTE_NS: Final = 60 * 10**9
_MOST: Final = 2000


def examined(local: Settings, asked: Asked, host: str, now_ns: int) -> Iterator[Finding]:
    """Yields how well the last hour was delivered."""
    since_ns, until_ns = now_ns - _HOUR_NS, now_ns - _FRESH_NS
    wanted = Wanted(since_ns=since_ns, until_ns=until_ns)
    try:
        here = _here(local, asked, wanted)
        there = InfluxStore(asked.connection_settings()).latest(wanted, 2 * _MOST) if here else []
        minutes = _minutes_with_a_word(asked, host, since_ns)
    except (HistoryError, StoreError) as error:
        text = f"Whether the runs of the last hour arrived cannot be known: {str(error).partition('; ')[0]}."
        yield Finding(check="writes.hour", text=text)
        return
    missing = {run.uuid for run in here} - {run.uuid for run in there}
    facts = {"runs": len(here), "delivered": len(here) - len(missing), "minutes_with_a_word": minutes}
    if not here:
        text = (
            f"No run of the last hour is in the history here; this host spoke to InfluxDB in {minutes} of 60 minutes."
        )
        yield Finding(check="writes.hour", text=text, facts=facts)
        return
    came = len(here) - len(missing)
    text = f"{came} of the {number(len(here), 'run')} of the last hour are in InfluxDB."
    advice = "see what waits and why; runs that were deleted here or refused do not come" if missing else ""
    level = 0 if not missing else PROBLEM if not came else WARNING
    yield Finding(check="writes.hour", level=level, text=text, advice=advice, facts=facts)


def _here(local: Settings, asked: Asked, wanted: Wanted) -> list[RunRecord]:
    """Returns the runs of the history that were written for this server."""
    path = past.path_of(local)
    if path is None:
        return []
    with past.opened(path, asked.budget) as (connection, found):
        if found.version != found.newest:
            return []
        return questions.latest(connection, wanted, _MOST)


def _minutes_with_a_word(asked: Asked, host: str, since_ns: int) -> int:
    ask = Ask(
        measurements=(names.SENDERS,), fields=(names.FIELD_PENDING,), since_ns=since_ns, tags={names.TAG_HOST: {host}}
    )
    return len({(row.time_ns or 0) // _MINUTE_NS for row in asked.language().rows(ask)})
