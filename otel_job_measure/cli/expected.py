"""`otel-job-measure expected`: tells when a schedule is due."""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice

from otel_job_measure.expectations import schedules
from otel_job_measure.expectations.local_zone import local_zone
from otel_job_measure.expectations.schedules import Schedule

_DESCRIPTION = """Tells how a schedule is read: in words, with its next due times in its time zone and in UTC, and with
the grace that a late run has by default. Each dialect is evaluated by its own library: the same text can mean different
times to different schedulers."""
_COUNT = 10
_MOST = 1000


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("expected", help="tell when a schedule is due", description=_DESCRIPTION)
    parser.add_argument(
        "--check",
        metavar="SCHEDULE",
        required=True,
        help="cron ('5 2 * * *', '@daily') or OnCalendar ('Mon..Fri 08:00')",
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
        "--count", metavar="N", type=_count, default=_COUNT, help=f"show N due times (default: {_COUNT})"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Prints the next due times."""
    now = datetime.now(UTC)
    zone = local_zone() if args.timezone is None else args.timezone
    schedule = schedules.parse(args.check, zone, now, args.dialect)
    dues = list(islice(schedule.after(now), args.count))
    if args.json:
        print(json.dumps(_as_object(schedule, dues, now)))
        return 0
    print(f"{schedule.words} ({schedule.dialect}, {schedule.zone.key})")
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


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:20]) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not a number from 1 to {_MOST}")
    return int(text)
