"""`otel-job-measure watch`: all jobs, live."""

import argparse
import os
import sys
from typing import Final

from otel_job_measure.cli import jobs, options

_DESCRIPTION = """Shows what `jobs` shows, again and again, until Ctrl-C. It needs a terminal. If the store does not
answer, the last picture stays, and the last line says why."""
_EVERY_S: Final = 5.0


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("watch", help="show all jobs, live", description=_DESCRIPTION)
    jobs.add_choices(parser)
    parser.add_argument(
        "--every",
        metavar="TIME",
        type=options.seconds,
        default=_EVERY_S,
        help=f"how often the store is asked, such as 30s (default: {_EVERY_S:g}s)",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Watches the jobs."""
    if not sys.stdout.isatty():
        args.parser.error("it needs a terminal; `jobs` and `jobs --json` write to files and pipes")
    if os.environ.get("TERM") in {"dumb", "unknown"}:  # rich draws nothing there
        args.parser.error(f"the terminal cannot move its cursor (TERM={os.environ['TERM']}); `jobs` needs no such")
    from otel_job_measure.cli.live import live  # noqa: PLC0415 - rich and SQLite, not for --help

    return live(args)
