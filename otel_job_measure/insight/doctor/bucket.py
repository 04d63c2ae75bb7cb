"""What the token may do in the bucket: write, read, look at it; by a test point that is removed again."""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from otel_job_measure import names
from otel_job_measure.delivery.influxdb.responses import Kind
from otel_job_measure.errors import JobMeasureError, StoreError
from otel_job_measure.insight.doctor.finding import PROBLEM, WARNING, Finding
from otel_job_measure.insight.doctor.removal import Series, removed
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.insight.influxdb.ask import Ask, rows
from otel_job_measure.journal.counters import Counters
from otel_job_measure.points.line_protocol import Point, encode
from otel_job_measure.runtime.assembly import server_sink

READ_TOKEN: Final = f"{names.ENV_PREFIX}READ_TOKEN"
_TRIES: Final = 10
_PAUSE_S: Final = 0.1


@dataclass(slots=True, kw_only=True)
class Rights:
    """What was tried.

    Args:
        writes: Whether the token may write; None if that was not tried.
        reads: Whether the token for reading may read.
        trouble: Why nothing could be written.
    """

    writes: bool | None = None
    reads: bool | None = None
    trouble: str = ""


def examined(
    asked: Asked, host: str, rights: Rights, *, may_write: bool, pause: Callable[[float], None] = time.sleep
) -> Iterator[Finding]:
    """Yields what the token may do, and notes it.

    Args:
        asked: The server.
        host: This machine, for the test point.
        rights: Gets what was found.
        may_write: Whether a test point may be written.
        pause: Waits for some seconds.
    """
    reading = _try_to_read(asked, rights)
    if not may_write:
        text = f"{names.ENV_PREFIX}SHIP is off or this is only for reading, so no test point was written."
        yield Finding(check="server.write", text=text)
        yield from _reading(asked, reading, rights)
        return
    if rights.reads is False and asked.server.generation == 3:  # noqa: PLR2004 - a write would make the database
        yield from _reading(asked, reading, rights)
        text = "No test point was written: InfluxDB 3 makes a database that is missing with the first point."
        yield Finding(check="server.write", level=WARNING, text=text, advice="make sure that the database is there")
        return
    point = _Probe(asked, host)
    yield point.write(rights)
    yield from _reading(asked, reading, rights)
    if rights.writes:
        if rights.reads:
            yield point.read_back(pause)
        yield point.remove()


def _try_to_read(asked: Asked, rights: Rights) -> str:
    """Notes whether the token may read, and returns what the server says if not."""
    try:
        asked.language().first_ns(Ask(measurements=(names.PROBE,), fields=(names.FIELD_PROBE,), since_ns=0, until_ns=1))
    except StoreError as error:
        rights.reads = False
        return str(error)
    rights.reads = True
    return ""


def _reading(asked: Asked, said: str, rights: Rights) -> Iterator[Finding]:
    settings = asked.settings
    own = settings.read_token is not None or settings.read_token_file is not None
    whose = f"The token of {READ_TOKEN}" if own else _whose(asked)
    if rights.reads:
        yield Finding(check="server.read", text=f"{whose} may read.")
        return
    text, _, advice = said.replace(": set ", "; set ", 1).partition("; ")
    if rights.writes and not own and settings.history and not settings.in_memory:
        text = f"{whose} may write and not read, which is enough: this machine reads its own history."
        advice = f"for `--from influxdb`, set {READ_TOKEN} to a token that may read"
        yield Finding(check="server.read", text=text, advice=advice)
        return
    if rights.writes is False and not own:
        advice = "mend the writing first: it is the same token"
    level = PROBLEM if own or not rights.writes else WARNING
    yield Finding(check="server.read", level=level, text=f"{whose} cannot read: {text}.", advice=advice or _READ_ADVICE)


_ADDRESS: Final = f"check {names.ENV_INFLUXDB_URL}, and any proxy between"
_READ_ADVICE: Final = f"set {READ_TOKEN} to a token that may read the bucket"


def _whose(asked: Asked) -> str:
    settings = asked.settings
    if settings.influxdb_username is not None:
        return f"The user of {settings.variable('influxdb_username')}"
    for argument in ("influxdb_token", "influxdb_token_file"):
        if getattr(settings, argument) is not None:
            return f"The token of {settings.variable(argument)}"
    return "A request without a user"


class _Probe:
    """A test point with a name of its own: one row for each host."""

    def __init__(self, asked: Asked, host: str) -> None:
        self._asked = asked
        self._host = host
        self._text = secrets.token_hex(8)
        self._at_ns = time.time_ns()

    @property
    def _place(self) -> str:
        return f"measurement {names.PROBE}, host {self._host}, in bucket {self._asked.settings.influxdb_bucket}"

    def write(self, rights: Rights) -> Finding:
        """Writes the point by the sink that delivers, and notes whether that worked."""
        line = encode(Point(names.PROBE, {names.TAG_HOST: self._host}, {names.FIELD_PROBE: self._text}, self._at_ns))
        try:
            sink = server_sink(self._asked.settings.changed(state_dir="memory"), Counters())
        except JobMeasureError as error:
            rights.writes, rights.trouble = False, str(error)
            return Finding(check="server.write", level=PROBLEM, text=f"Nothing can be written: {error}.")
        try:
            verdict = sink.attempt([line], timeout_s=min(self._asked.settings.timeout_s, self._asked.budget.left_s()))
        finally:
            sink.close()
        rights.writes = verdict.kind is Kind.DELIVERED
        if rights.writes:
            return Finding(check="server.write", text=f"{_whose(self._asked)} may write: a test point was taken.")
        text, _, advice = verdict.message.partition("; ")
        rights.trouble = f"the server does not take points ({text})"
        advice = advice or verdict.advice or _ADDRESS
        return Finding(check="server.write", level=PROBLEM, text=f"No point can be written: {text}.", advice=advice)

    def read_back(self, pause: Callable[[float], None]) -> Finding:
        """Asks for the point."""
        ask = Ask(
            measurements=(names.PROBE,),
            fields=(names.FIELD_PROBE,),
            since_ns=self._at_ns,
            until_ns=self._at_ns + 1,
            tags={names.TAG_HOST: {self._host}},
        )
        why = "it is not there"
        for left in range(_TRIES, 0, -1):
            try:
                found = rows(self._asked.language(), ask)
            except StoreError as error:
                why = str(error)
                break
            if any(row.fields.get(names.FIELD_PROBE) == self._text for row in found):
                return Finding(check="server.probe", text="The test point was read back.")
            if left > 1:
                pause(_PAUSE_S)
        text = f"The test point was taken and could not be read back: {why}."
        advice = "check that the tokens for reading and writing mean the same bucket, and any proxy between"
        return Finding(check="server.probe", level=PROBLEM, text=text, advice=advice)

    def remove(self) -> Finding:
        """Removes the point if the token and the server allow that."""
        facts = {"measurement": names.PROBE, "host": self._host, "time_ns": self._at_ns}
        series = Series(measurements=(names.PROBE,), tag=names.TAG_HOST, value=self._host)
        why = removed(self._asked, series)
        if not why:
            return Finding(check="server.removed", text="The test point was removed.", facts=facts)
        text = f"The test point stays: {self._place} ({why})."
        return Finding(check="server.removed", text=text, facts=facts)
