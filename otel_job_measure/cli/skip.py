"""`otel-job-measure skip`: says that a job need not run for a time."""

import argparse
from datetime import UTC, datetime, timedelta

from otel_job_measure.cli import options
from otel_job_measure.expectations.durations import seconds_of
from otel_job_measure.expectations.expectation import Skip
from otel_job_measure.journal.expected_store import ExpectedStore, SkipRule
from otel_job_measure.printable import printable
from otel_job_measure.timestamps import EPOCH, nanoseconds, utc

_MOST = timedelta(days=366)
_MOST_WHY = 200
_DESCRIPTION = """Says that a job need not run for a time, as during maintenance. Its due times count as skipped; a run
that comes all the same counts as usual."""


# The class has no public name.
def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage]
    """Adds the command `skip`."""
    parser = commands.add_parser("skip", help="say that a job need not run for a time", description=_DESCRIPTION)
    add_job(parser)
    times = parser.add_mutually_exclusive_group(required=True)
    times.add_argument(
        "--until", metavar="TIME", type=_time, help="from now on so long (2h, 3d), or an ISO time like 2026-12-01T06:00"
    )
    times.add_argument("--cancel", action="store_true", help="end the skips of this job that are not over")
    parser.add_argument("--from", dest="begin", metavar="TIME", type=_time, help="the begin, if it is later than now")
    parser.add_argument("--why", metavar="TEXT", default="", type=_why, help="the reason, for people")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Keeps a skip, or ends those that there are."""
    now_ns = nanoseconds(datetime.now(UTC))
    store = ExpectedStore(options.local_settings(args).state_path)
    if args.cancel:
        ended = store.end_skips(args.job, args.project, args.stage, now_ns)
        print(f"{ended} skips of {printable(args.job)} ended")
        return 0 if ended else 1
    begin_ns = now_ns if args.begin is None else args.begin
    if args.until <= begin_ns:
        args.parser.error("--until is not later than the begin")
    rule = SkipRule(args.job, Skip(begin_ns, args.until, args.why), args.project, args.stage)
    store.add_skips([rule])
    known = sum(rule.is_about(job.job) for job in store.jobs() if job.retired_ns is None)
    until = utc(args.until)
    print(f"{printable(args.job)} need not run until {until:%Y-%m-%d %H:%M:%S} UTC")
    if not known:
        options.complain(f"nothing is expected of {args.job} yet; the skip counts when something is")
    return 0


def add_job(parser: argparse.ArgumentParser) -> None:
    """Adds what says which job is meant, and where its state directory is."""
    options.add_state_dir(parser)
    parser.add_argument("job", metavar="JOB", type=_job, help="the job's name, or a pattern with * and ?")
    parser.add_argument("--project", metavar="NAME", help="only of this project (default: of all)")
    parser.add_argument("--stage", metavar="NAME", help="only of this stage (default: of all)")


def _job(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a job's name can't be empty")
    return text


def _why(text: str) -> str:
    return text[:_MOST_WHY]


def _time(text: str) -> int:
    now = datetime.now(UTC)
    seconds = seconds_of(text)
    try:
        if seconds is not None:
            at = now + timedelta(seconds=seconds)
        else:
            at = datetime.fromisoformat(text if text.isascii() else "").astimezone(UTC)
    except (ValueError, OverflowError):
        at = None
    if at is None or not EPOCH <= at <= now + _MOST:
        takes = "it takes 30m, 2h, 7d or an ISO time like 2026-12-01T06:00, at most a year from now"
        raise argparse.ArgumentTypeError(f"{options.shown(text)} is not a time; {takes}")
    return nanoseconds(at)
