"""`otel-job-measure jobs`: a line a job, the worst first."""

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from otel_job_measure.cli import options
from otel_job_measure.cli.progress import working
from otel_job_measure.points.text import clean_field, clean_tag
from otel_job_measure.printable import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_job_measure.insight.overview import JobView, Overview

_DESCRIPTION = """Shows a line for each job: its state as `check` finds it, its last run and last success, when it is
due next, and its runs of a period: how many, the part of them that succeeded, p50 and p95 of their durations. At the
right are its last runs, the newest at the end. The worst jobs come first. It writes no rows."""
_SINCE = "7d"
_NEVER: Final = 2**63
_SORTS: Final = ("state", "name", "last", "due", "runs", "success", "p50", "p95")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("jobs", help="show all jobs, the worst first", description=_DESCRIPTION)
    add_choices(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs: see docs/see.md")
    parser.set_defaults(run=run, parser=parser)


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which jobs are shown, and in which order."""
    options.add_state_dir(parser)
    options.add_from(parser)
    parser.add_argument(
        "--since",
        metavar="TIME",
        default=_SINCE,
        type=options.since,
        help=f"count the runs since then: 30m, 2h, 7d or an ISO time (default: {_SINCE})",
    )
    parser.add_argument("--job", metavar="NAME", type=options.job_name, help="only this job; 'night*' means all such")
    parser.add_argument("--project", metavar="NAME", type=clean_tag, help="only jobs of this project; '' means none")
    parser.add_argument("--stage", metavar="NAME", type=clean_tag, help="only jobs of this stage; '' means none")
    parser.add_argument("--host", metavar="NAME", type=clean_field, help="only jobs with runs on this host")
    parser.add_argument("--failing", action="store_true", help="only jobs that are not ok")
    parser.add_argument(
        "--sort",
        metavar="COLUMN",
        choices=_SORTS,
        default=_SORTS[0],
        help=f"in which order: {', '.join(_SORTS)} (default: state, the worst first)",
    )


def run(args: argparse.Namespace) -> int:
    """Shows the jobs."""
    with working("reading runs"):
        from otel_job_measure.cli.viewer import Viewer  # noqa: PLC0415 - it imports SQLite, and is not for --help

        viewer = Viewer(args)
        found = viewer.jobs()
    shown = chosen(args, found)
    if args.json:
        from dataclasses import replace  # noqa: PLC0415 - only for programs

        from otel_job_measure.insight.encoding import overview_object  # noqa: PLC0415 - only for programs

        print(options.json_line(overview_object(replace(found, jobs=tuple(shown)))))
    elif shown or found.hosts:
        from otel_job_measure.cli.jobs_table import rendered  # noqa: PLC0415 - rich, only for people
        from otel_job_measure.cli.terminal import console  # noqa: PLC0415 - the same

        where = console()
        where.print(*rendered(where, found, shown, len(found.jobs)), crop=False)
    if not shown and not args.json:
        print(brief(nothing(args, found), options.MOST_PATH), file=sys.stderr)
    if viewer.lacks:
        print(brief(viewer.lacks), file=sys.stderr)
    return 0


def chosen(args: argparse.Namespace, found: "Overview") -> "Sequence[JobView]":
    """Returns the jobs that are shown, in the order that is wanted."""
    shown = [view for view in found.jobs if view.level or not args.failing]
    return shown if args.sort == _SORTS[0] else sorted(shown, key=_KEYS[args.sort])


def nothing(args: argparse.Namespace, found: "Overview") -> str:
    """Returns why no job is shown, and what to do."""
    where = found.source
    if args.failing and found.jobs:
        count = len(found.jobs)
        return f"No job is failing: {count} job{' is' if count == 1 else 's are'} ok in {where}."
    if any(given is not None for given in (args.job, args.project, args.stage, args.host)):
        return f"No such job in {where}; without --job, --project, --stage and --host, all jobs are shown."
    return (
        f"No job has run {options.period(args.since)}, by {where}, and none is expected: measure a job, look further "
        "back with --since, or see how it works with `otel-job-measure demo`."
    )


def _last(view: "JobView") -> int:
    from otel_job_measure.history.run_order import started_ns  # noqa: PLC0415 - not for --help

    return -_NEVER if view.last is None else started_ns(view.last)


_KEYS: "Final[dict[str, Callable[[JobView], Any]]]" = {
    "name": lambda view: view.job,
    "last": lambda view: (-_last(view), view.job),
    "due": lambda view: (_NEVER if view.next_due_ns is None else view.next_due_ns, view.job),
    "runs": lambda view: (-view.summary.runs, view.job),
    "success": lambda view: (2.0 if view.summary.success is None else view.summary.success, view.job),
    "p50": lambda view: (-(view.summary.p50_s or 0.0), view.job),
    "p95": lambda view: (-(view.summary.p95_s or 0.0), view.job),
}
