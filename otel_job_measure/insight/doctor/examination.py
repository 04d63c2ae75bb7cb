"""All areas, one after the other; each is guarded, so that a fault of one hides no other."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_job_measure.errors import JobMeasureError
from otel_job_measure.insight.doctor import (
    bucket,
    coverage,
    folder,
    past,
    receiver,
    recent,
    retention,
    server,
    variables,
    waiting,
)
from otel_job_measure.insight.doctor.finding import PROBLEM, WARNING, Budget, Finding
from otel_job_measure.insight.doctor.server import Asked
from otel_job_measure.settings import Destination, OtlpDestination, Settings

_NO_SERVER: Final = "set the INFLUXDB_… variables of docs/settings.md to send runs to a server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is looked at.

    Args:
        environ: The variables, those of the env file among them.
        host: The name of this machine.
        settings: All settings; None if they are wrong.
        wrong: What is wrong with them, one line each.
        local: Settings with the state directory; None if they are wrong.
        reading: Settings of an InfluxDB that is only read, beside an OTLP receiver.
        trouble: Why the state directory was not looked at.
        env_file: The env file that was read, and what it says.
        heard: Returns the warnings that the package logged while it read the settings.
    """

    environ: Mapping[str, str]
    host: str
    settings: Settings | None
    wrong: str = ""
    local: Settings | None = None
    reading: Settings | None = None
    trouble: str = ""
    env_file: tuple[Path, Mapping[str, str]] | None = None
    heard: Callable[[], Iterable[str]] = field(default=list)


def examined(patient: Patient, budget: Budget) -> Iterator[Finding]:
    """Yields what is found, area by area; never raises."""
    now_ns = time.time_ns()
    yield from _guarded("settings", _settings(patient))
    local, settings = patient.local, patient.settings
    if local is None:
        why = "the settings are wrong" if patient.wrong else patient.trouble
        text = f"The state directory was not looked at: {why}."
        advice = "mend the settings first" if patient.wrong else "run doctor as its owner"
        yield Finding(check="state.usable", level=PROBLEM, text=text, advice=advice)
    else:
        yield from _guarded("state", folder.examined(local, (settings or local).max_bytes, now_ns))
        yield from _guarded("history", past.examined(local, budget, now_ns))
    rights = bucket.Rights()
    asked: list[Asked] = []
    yield from _guarded("server", of_server(patient, budget, rights, asked))
    readable = asked[0] if asked and rights.reads else None
    if local is not None:
        destination = settings.destination_id if settings is not None else ""
        trouble = rights.trouble if settings is not None else "the settings are wrong"
        yield from _guarded("state", waiting.examined(local, destination, trouble, now_ns))
        if readable is not None:
            yield from _guarded("writes", recent.examined(local, readable, patient.host, now_ns))
        yield from _guarded("coverage", coverage.examined(local, readable, budget, now_ns))
    yield from _guarded("settings", _heard(patient))


def _settings(patient: Patient) -> Iterator[Finding]:
    if patient.wrong:
        yield from variables.wrong(patient.wrong)
    else:
        yield Finding(check="settings.valid", text="All settings are valid.")
    if patient.settings is not None and patient.settings.disabled:
        advice = "unset OTEL_JOB_MEASURE_DISABLED to measure jobs again"
        text = "The package is turned off: jobs run unmeasured."
        yield Finding(check="settings.disabled", level=WARNING, text=text, advice=advice)
    yield from variables.unused(patient.environ, patient.settings)
    if patient.env_file is not None:
        yield from variables.differing(*patient.env_file, patient.environ)


def _heard(patient: Patient) -> Iterator[Finding]:
    for message in patient.heard():
        text, _, advice = message.partition("; ")
        yield Finding(check="settings.warning", level=WARNING, text=f"{text}.", advice=advice)


def of_server(patient: Patient, budget: Budget, rights: bucket.Rights, asked: list[Asked]) -> Iterator[Finding]:
    """Yields what is found of the server; notes the server and what the token may do."""
    settings = patient.settings
    if settings is None:
        text = "The server was not looked at: the settings are wrong."
        yield Finding(check="server.reachable", level=WARNING, text=text, advice="mend the settings first")
    elif isinstance(settings.destination, Destination):
        yield from _influxdb(patient, settings, budget, rights, asked)
    elif isinstance(settings.destination, OtlpDestination):
        for finding in receiver.examined(settings, budget):
            rights.trouble = "the receiver takes no export" if finding.level else rights.trouble
            yield finding
        if patient.reading is not None:
            yield from _influxdb(patient, patient.reading, budget, rights, asked)
    else:
        text = "No server is set: runs stay on this machine."
        yield Finding(check="server.reachable", text=text, advice=_NO_SERVER)


def _influxdb(
    patient: Patient, settings: Settings, budget: Budget, rights: bucket.Rights, asked: list[Asked]
) -> Iterator[Finding]:
    is_sending = settings is patient.settings
    for found in server.examined(settings, budget):
        if isinstance(found, Finding):
            if found.check == "server.reachable" and found.level == PROBLEM and is_sending:
                rights.trouble = "the server cannot be reached"
            yield found
            continue
        asked.append(found)
        yield from bucket.examined(found, patient.host, rights, may_write=is_sending and settings.ship)
        if rights.reads or rights.writes:
            yield from retention.examined(found)


def _guarded(area: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yields the findings of an area; what it raises is a finding too."""
    try:
        yield from findings
    except (JobMeasureError, OSError) as error:
        text = f"The examination of the {area} ended early: {error}."
        yield Finding(check=f"{area}.failed", level=PROBLEM, text=text, advice="mend this, and run doctor again")
    except Exception as error:  # noqa: BLE001 - a fault of the doctor hides nothing else
        text = f"The examination of the {area} failed: {type(error).__name__}."
        advice = "this is a fault of doctor itself: please report it"
        yield Finding(check=f"{area}.failed", level=PROBLEM, text=text, advice=advice)
