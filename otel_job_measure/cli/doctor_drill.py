"""`otel-job-measure doctor --drill`: a rehearsal of everything between a job and the people who are told."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from otel_job_measure.cli import doctor, doctor_report, notifying, options
from otel_job_measure.errors import JobMeasureError
from otel_job_measure.insight.doctor import examination
from otel_job_measure.insight.doctor.bucket import Rights
from otel_job_measure.insight.doctor.drill import Drill
from otel_job_measure.insight.doctor.finding import OK, PROBLEM, WARNING, Budget, Finding
from otel_job_measure.insight.notify.target import Target
from otel_job_measure.runtime.jobs_file import read_recipients
from otel_job_measure.settings import Settings

if TYPE_CHECKING:
    from otel_job_measure.insight.doctor.examination import Patient
    from otel_job_measure.insight.doctor.server import Asked

_INTERRUPTED: Final = 130
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Told:
    """Prints each finding as it comes, or keeps it for JSON."""

    def __init__(self, *, prints: bool) -> None:
        self.findings: list[Finding] = []
        self._style = doctor_report.style_of(sys.stdout) if prints else None
        self._began_s = time.monotonic()

    def __call__(self, finding: Finding) -> None:
        self.findings.append(finding)
        if self._style is not None:
            for line in doctor_report.step(finding, time.monotonic() - self._began_s, self._style):
                print(line, flush=True)


def run(args: argparse.Namespace) -> int:
    """Runs the drill; returns the worst level, or 130 if a signal ended it. It cleans up in any case."""
    began_s = time.monotonic()
    general = notifying.targets(args)
    told = _Told(prints=not args.json)
    interrupted = False
    with doctor.heard_warnings() as heard, _stopped_by_signals(), ExitStack() as spare:
        patient = doctor.patient_of(args, heard)
        if not args.json:
            print(doctor_report.title("doctor --drill", patient.host), flush=True)
        try:
            targets = _targets(general, patient, told)
            asked = _way(patient, args.timeout, told)
            drill = Drill(
                root=_root(patient, spare, told),
                settings=patient.settings or patient.local or Settings(),
                host=patient.host,
                asked=asked,
                targets=targets,
            )
            if not targets:
                told(Finding(check="drill.told", level=WARNING, text=_NOBODY, advice=_GIVE))
            drill.run(told)
        except KeyboardInterrupt:
            interrupted = True
        except JobMeasureError as error:
            text, _, advice = options.in_one_line(error).partition("; ")
            told(Finding(check="drill.failed", level=PROBLEM, text=f"The drill ended early: {text}.", advice=advice))
    report = doctor_report.Report(
        findings=told.findings, settings=[], host=patient.host, took_s=time.monotonic() - began_s
    )
    if args.json:
        print(options.json_line(doctor_report.as_object(report)))
    else:
        print(doctor_report.summary(report, doctor_report.style_of(sys.stdout)))
    if interrupted:
        options.complain("the drill was interrupted; what it had made was removed as above")
        return _INTERRUPTED
    return report.level


_NOBODY: Final = "Nobody is told, so the drill sees only that each run is found."
_GIVE: Final = "name the targets of your `check`: by --notify URL or --notify @FILE, or as [[notify]] in jobs.toml"


def _targets(general: Sequence[Target], patient: "Patient", told: _Told) -> list[Target]:
    """Returns each target once: those of the options, and all of `jobs.toml`. Tells of those that cannot be used."""
    found = {target.id: target for target in general}
    settings = patient.local or patient.settings
    if settings is not None and settings.jobs is not None:
        path, unusable = str(settings.jobs), set[str]()
        recipients, problems = read_recipients(path, datetime.now(UTC))
        for problem in problems:
            told(Finding(check="drill.target", level=WARNING, text=f"{problem}.", advice="mend this line of the file"))
        for recipient in recipients:
            target = notifying.target_in(recipient, path, unusable)
            if target is not None:
                found.setdefault(target.id, target)
        for problem in sorted(unusable):
            told(Finding(check="drill.target", level=PROBLEM, text=f"{problem}.", advice="mend this [[notify]]"))
    return list(found.values())


def _way(patient: "Patient", timeout_s: float, told: _Told) -> "Asked | None":
    """Returns the InfluxDB that the drill goes through; None for the history. Tells which way it is, and why."""
    rights, asked = Rights(), list["Asked"]()
    worst: Finding | None = None
    for finding in examination.of_server(patient, Budget(timeout_s), rights, asked):
        if finding.level == PROBLEM:
            worst = worst or finding
        if finding.check == "server.removed":  # what stays of the drill is named, and this may stay
            told(finding)
    if asked and rights.writes and rights.reads:
        label = f"{asked[0].server.title} at {asked[0].settings.influxdb_url}"
        told(Finding(check="drill.way", text=f"The drill goes through {label}."))
        return asked[0]
    text = "The drill goes through a local history"
    if worst is not None:
        text = f"{text}, because the server cannot be used: {worst.text}"
        told(Finding(check="drill.way", level=PROBLEM, text=text, advice=worst.advice))
    elif asked:
        told(Finding(check="drill.way", text=f"{text}, because the token may not both write and read."))
    else:
        told(Finding(check="drill.way", text=f"{text}: there is no InfluxDB that it could ask."))
    return None


def _root(patient: "Patient", spare: ExitStack, told: _Told) -> Path:
    """Returns the folder that the drill's own is made in."""
    if patient.local is not None and not patient.local.in_memory:
        return patient.local.state_path
    level = OK if patient.local is not None else WARNING
    text = "The state directory cannot be used, so the drill uses a temporary folder."
    told(Finding(check="drill.folder", level=level, text=text, advice=patient.trouble))
    return Path(spare.enter_context(tempfile.TemporaryDirectory()), "state")


@contextmanager
def _stopped_by_signals() -> Generator[None]:
    """Has the first signal end the drill in order; a second one ends the process at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
