"""`otel-job-measure expected`: tells what should happen, and when a schedule is due."""

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from otel_job_measure.cli import options
from otel_job_measure.cli.expected_jobs import print_jobs, print_json
from otel_job_measure.cli.progress import working
from otel_job_measure.errors import StateDirError
from otel_job_measure.expectations import schedules
from otel_job_measure.expectations.expectation import ExpectedJob
from otel_job_measure.expectations.local_zone import local_zone
from otel_job_measure.expectations.patterns import is_match
from otel_job_measure.expectations.precedence import effective
from otel_job_measure.expectations.schedules import Schedule
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.printable import brief, printable
from otel_job_measure.runtime.crontabs import Crontabs
from otel_job_measure.runtime.jobs_file import JobsFileReader

_DESCRIPTION = """Tells what should happen: each job with its limits, the source that says so, its next due times in its
time zone and in UTC, and what is retired and why. With --check it tells how a schedule is read: in words, with its
next due times, and with the grace that a late run has by default. Each dialect is evaluated by its own library: the
same text can mean different times to different schedulers."""
_COUNT = 10
_COUNT_OF_JOB = 3
_MOST = 1000


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("expected", help="tell what should happen and when", description=_DESCRIPTION)
    options.add_state_dir(parser)
    parser.add_argument("--job", metavar="NAME", help="only this job, or a pattern with * and ?")
    parser.add_argument(
        "--from",
        dest="source",
        choices=(options.HISTORY, options.INFLUXDB),
        help="whose jobs: those of this machine's sources, or of all machines by InfluxDB (default: history; InfluxDB "
        "if nothing is expected here and a server is configured)",
    )
    parser.add_argument("--all", action="store_true", help="what each source says, not only what counts of it")
    parser.add_argument(
        "--check",
        metavar="SCHEDULE",
        help="tell when this schedule is due: cron ('5 2 * * *', '@daily') or OnCalendar ('Mon..Fri 08:00')",
    )
    parser.add_argument(
        "--timezone", metavar="ZONE", help="IANA name, such as Europe/Berlin (default: this machine's zone)"
    )
    parser.add_argument(
        "--dialect",
        metavar="DIALECT",
        choices=schedules.DIALECTS,
        help=f"whose rules apply: {', '.join(schedules.DIALECTS)} (default: cron or oncalendar, by the form)",
    )
    parser.add_argument(
        "--count",
        metavar="N",
        type=options.count(1, _MOST),
        help=f"show N due times (default: {_COUNT_OF_JOB}, {_COUNT} with --check)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Prints what should happen; returns 1 if `jobs.toml` has a mistake."""
    now = datetime.now(UTC)
    if args.check is not None:
        return _check(args, now)
    if args.timezone is not None or args.dialect is not None:
        args.parser.error("--timezone and --dialect are only valid with --check")
    said, where, problems = _said(args)
    for problem in problems:
        options.complain(problem)
    jobs = said if args.all else [job for job in effective(said) if not job.expectation.is_empty]
    jobs = [job for job in jobs if is_match(args.job or "*", job.job.job)]
    count = args.count or _COUNT_OF_JOB
    if args.json:
        print_json(jobs, now, count)
    else:
        print_jobs(jobs, now, count)
        if not jobs:
            of_such = " of such a job" if args.job else ""
            print(brief(f"Nothing is expected{of_such}: no source in {where}."))
    return 1 if problems else 0


def _said(args: argparse.Namespace) -> tuple[Sequence[ExpectedJob], str, Sequence[str]]:
    """Returns what is expected, where that is from, and what is wrong there."""
    options.load_env_file(args.env_file)
    # Read once: the next look may have this process take the rights of a user who may not read it.
    args = argparse.Namespace(**{**vars(args), "env_file": Path(os.devnull)})
    user = os.geteuid()
    may_ask = args.source is None and any(map(os.environ.get, options.URLS))
    if args.source != options.INFLUXDB:
        try:
            found = _said_here(args)
        except StateDirError:
            if not may_ask:
                raise
        else:
            if not may_ask or found[0] or found[2] or os.geteuid() != user:  # another user reads no token, no library
                return found
    with working("reading what is expected"):
        store = options.store_of(argparse.Namespace(**{**vars(args), "source": options.INFLUXDB})).store
        return store.expectations(), store.label, ()


def _said_here(args: argparse.Namespace) -> tuple[Sequence[ExpectedJob], str, Sequence[str]]:
    settings = options.local_settings(args)
    problems = (*JobsFileReader(settings).look(), *Crontabs(settings).look())
    return ExpectedStore(settings.state_path).jobs(), str(settings.state_path), problems


def _check(args: argparse.Namespace, now: datetime) -> int:
    zone = local_zone() if args.timezone is None else args.timezone
    schedule = schedules.parse(args.check, zone, now, args.dialect)
    dues = list(islice(schedule.after(now), args.count or _COUNT))
    if args.json:
        print(options.json_line(_as_object(schedule, dues, now)))
        return 0
    print(printable(f"{schedule.words} ({schedule.dialect}, {schedule.zone.key})"))
    print(f"A run may start up to {schedule.grace_s(now) / 60:g} min late by default.")
    for due in dues:
        print(f"{due.astimezone(schedule.zone):%a %Y-%m-%d %H:%M:%S %z}   {due:%Y-%m-%d %H:%M:%S} UTC")
    return 0


def _as_object(schedule: Schedule, dues: Sequence[datetime], now: datetime) -> dict[str, object]:
    return {
        "schedule": schedule.text,
        "dialect": schedule.dialect,
        "timezone": schedule.zone.key,
        "words": schedule.words,
        "grace_s": schedule.grace_s(now),
        "due": [f"{due:%Y-%m-%dT%H:%M:%SZ}" for due in dues],
    }
