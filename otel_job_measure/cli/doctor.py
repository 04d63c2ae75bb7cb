"""`otel-job-measure doctor`: looks at everything that runs depend on, and says what to do."""

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from otel_job_measure import names
from otel_job_measure.cli import notify_options, options
from otel_job_measure.cli.progress import working
from otel_job_measure.errors import JobMeasureError, SettingsError, StateDirError
from otel_job_measure.printable import brief
from otel_job_measure.settings import Settings, parse_env_file

if TYPE_CHECKING:
    from otel_job_measure.insight.doctor.examination import Patient
    from otel_job_measure.insight.doctor.finding import Finding

_DESCRIPTION = """Looks at the settings, the state directory, the history, the server and the jobs, and says what to do
about each problem. It changes nothing: a test point of its own is written to the server and removed again. The exit
code is 0 if all is well, 1 for a warning, 2 for a problem, and 3 if doctor itself failed."""
_FAULT: Final = 3
_TIMEOUT_S: Final = 10.0
_SAID_HERE: Final = ("%s is set but unknown%s", "%s: set for InfluxDB's own tools; this package reads %s instead")
"""Warnings of the settings that the examination finds by itself."""
_MOST: Final = 300


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("doctor", help="find what is wrong, and say what to do", description=_DESCRIPTION)
    options.add_state_dir(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.add_argument("--all", action="store_true", help="list the settings that have their defaults too")
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=options.seconds,
        default=_TIMEOUT_S,
        help=f"look for this time at most, such as 30s (default: {_TIMEOUT_S:g}s)",
    )
    parser.add_argument(
        "--drill",
        action="store_true",
        help="let a job of its own miss a run, hang, fall silent and fail, and see that each target of --notify and of "
        "jobs.toml takes each message",
    )
    notify_options.add_targets(parser)
    parser.set_defaults(run=run, parser=parser)
    parser.error = _usage(parser)  # type: ignore[assignment, method-assign]


def run(args: argparse.Namespace) -> int:
    """Looks at everything; returns the worst level, or 3 if the command itself failed."""
    if args.notify and not args.drill:
        args.parser.error("--notify is only valid with --drill")
    try:
        if args.drill:
            from otel_job_measure.cli import doctor_drill  # noqa: PLC0415 - only if asked for

            return doctor_drill.run(args)
        return _run(args)
    except BrokenPipeError:
        raise
    except (JobMeasureError, OSError) as error:
        options.complain(options.in_one_line(error))
    except Exception as error:  # noqa: BLE001 - a traceback helps nobody at three in the morning
        options.complain(f"doctor failed: {type(error).__name__}: {options.in_one_line(error)}")
    return _FAULT


def _run(args: argparse.Namespace) -> int:
    # Loaded only now, and before this process may take another user's rights: they import SQLite and an HTTP client.
    from otel_job_measure.cli import doctor_report  # noqa: PLC0415 - not for --help
    from otel_job_measure.insight.doctor.variables import said  # noqa: PLC0415 - not for --help

    began_s = time.monotonic()
    with heard_warnings() as heard:
        patient = patient_of(args, heard)
        with working("looking"):
            findings = _examined(patient, args.timeout)
    settings = [] if patient.settings is None else said(patient.settings, option=args.state_dir is not None)
    report = doctor_report.Report(
        findings=findings, settings=settings, host=patient.host, took_s=time.monotonic() - began_s
    )
    if args.json:
        print(options.json_line(doctor_report.as_object(report)))
    else:
        for line in doctor_report.lines(report, doctor_report.style_of(sys.stdout), everything=args.all):
            print(line)
    return report.level


def _examined(patient: "Patient", timeout_s: float) -> "list[Finding]":
    """Returns what was found in time: nothing can interrupt a look at a file system that hangs."""
    from otel_job_measure.insight.doctor.examination import examined  # noqa: PLC0415 - not for --help
    from otel_job_measure.insight.doctor.finding import PROBLEM, Budget, Finding  # noqa: PLC0415 - not for --help

    found: list[Finding] = []
    # The last half second is for what has to end.
    budget = Budget(max(0.1, timeout_s - 0.5))

    def look() -> None:
        for finding in examined(patient, budget):
            found.append(finding)  # noqa: PERF402 - what was found before a hang is kept

    thread = threading.Thread(target=look, name="otel-job-measure-doctor", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not thread.is_alive():
        return found
    last = found[-1].area if found else "settings"
    text = f"The examination did not end within {timeout_s:g} s; it stopped after the area {last}."
    advice = "what comes after that area hangs; --timeout takes a longer time"
    return [*found, Finding(check="doctor.time", level=PROBLEM, text=text, advice=advice)]


def patient_of(args: argparse.Namespace, heard: list[str]) -> "Patient":
    """Reads the settings as far as they can be read, and takes the rights of the state directory's owner."""
    from otel_job_measure.insight.doctor.examination import Patient  # noqa: PLC0415 - not for --help

    wrong: list[str] = []
    env_file = _env_file(args, wrong)
    settings = local = reading = None
    trouble = ""
    try:
        settings = Settings.from_env(state_dir=args.state_dir)
    except SettingsError as error:
        wrong.append(str(error))
    if settings is not None and settings.sink == names.SINK_OTLP:
        reading = _reading(args, wrong)
    try:
        if settings is not None:
            settings = options.with_owners_rights(settings)
        local = settings if settings is not None and settings.in_memory else options.local_settings(args)
    except (SettingsError, StateDirError) as error:
        trouble = options.in_one_line(error)
    return Patient(
        environ=dict(os.environ),
        host=os.uname().nodename,
        settings=settings,
        wrong="\n".join(wrong),
        local=local,
        reading=reading,
        trouble=trouble,
        env_file=env_file,
        heard=lambda: list(dict.fromkeys(heard)),
    )


def _env_file(args: argparse.Namespace, wrong: list[str]) -> tuple[Path, dict[str, str]] | None:
    path: Path = args.env_file or options.DEFAULT
    try:
        options.load_env_file(args.env_file)
        if args.env_file is None and not (path.exists() and os.access(path, os.R_OK)):
            return None
        return path, parse_env_file(path)
    except SettingsError as error:
        wrong.append(str(error))
    return None


def _reading(args: argparse.Namespace, wrong: list[str]) -> Settings | None:
    """Returns settings of an InfluxDB that the commands read beside an OTLP receiver."""
    variables = options.variables_for_reading()
    if not any(map(variables.get, options.URLS)):
        return None
    try:
        settings = Settings.from_env(variables, ship=False, state_dir=args.state_dir)
        options.with_owners_rights(settings)
    except SettingsError as error:
        wrong.append(str(error))
        return None
    return settings


@contextmanager
def heard_warnings() -> Generator[list[str]]:
    """Collects the warnings that the package logs, in place of their way to stderr."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING and record.msg not in _SAID_HERE:
                heard.append(record.getMessage())

    logger, listener = logging.getLogger(names.LOGGER), Listener()
    before = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
        logger.propagate = before


def _usage(parser: argparse.ArgumentParser) -> Callable[[str], NoReturn]:
    """Returns what ends the command on wrong options: 2 would be a problem that was found."""

    def error(message: str) -> NoReturn:
        options.complain(brief(message, _MOST))
        parser.print_usage(sys.stderr)
        parser.exit(_FAULT)
        raise SystemExit(_FAULT)

    return error
