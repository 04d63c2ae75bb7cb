"""`otel-job-measure runs`: the latest runs of a store."""

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final

from otel_job_measure import names
from otel_job_measure.cli import options
from otel_job_measure.cli.progress import working
from otel_job_measure.history.wanted import ALL, WORDS, Wanted
from otel_job_measure.journal.kept_output import STREAMS
from otel_job_measure.points.text import clean_field, clean_tag, valid
from otel_job_measure.printable import brief, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_job_measure.history.run_record import RunRecord

_DESCRIPTION = """Lists the latest runs, newest first, from this machine's history or from InfluxDB (--from). Before the
history answers, it reads the points of all processes, also of running ones. If no server is configured, this takes the
points out of the journal. If you configure one later, `otel-job-measure ship --backfill` sends them. `show UUID` tells
everything about one run."""
_CHOICES = "--job, --project, --stage, --host, --status and --since"
_LIMIT = 20
_MOST = 10**9
_OK: Final = "ok"
"""What people write for `end`."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("runs", help="list the latest runs", description=_DESCRIPTION)
    options.add_state_dir(parser)
    options.add_from(parser)
    parser.add_argument("--job", metavar="NAME", type=options.job_name, help="only this job; 'night*' means all such")
    parser.add_argument("--project", metavar="NAME", type=clean_tag, help="only runs of this project; '' means none")
    parser.add_argument("--stage", metavar="NAME", type=clean_tag, help="only runs of this stage; '' means none")
    parser.add_argument("--host", metavar="NAME", type=clean_field, help="only runs on this host")
    parser.add_argument(
        "--status",
        metavar="STATUS",
        choices=(_OK, *WORDS),
        action="append",
        default=[],
        help=f"only runs with one of these: {', '.join((_OK, *WORDS))}; you may repeat it",
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=options.since_ns,
        help="only runs that began since then: 30m, 2h, 7d or an ISO time",
    )
    parser.add_argument(
        "--limit",
        metavar="N",
        type=options.count(1, _MOST),
        default=_LIMIT,
        help=f"list at most N runs (default: {_LIMIT})",
    )
    parser.add_argument(
        "--follow", action="store_true", help="go on, and list each run when it starts and when it ends, until Ctrl-C"
    )
    parser.add_argument(
        "--output",
        metavar="UUID",
        help="show the end of what the command of one failed run wrote, if `exec --keep-output` kept it",
    )
    parser.add_argument("--json", action="store_true", help="JSON lines, for programs: see docs/see.md")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Lists runs."""
    if args.output is not None:
        return _show_output(args)
    from otel_job_measure.cli.viewer import Viewer  # noqa: PLC0415 - it imports SQLite, and is not for --help

    wanted = wanted_of(args)
    if args.follow:
        from otel_job_measure.cli.following import follow  # noqa: PLC0415 - only if asked for

        return follow(Viewer(args), wanted, args.limit, as_json=args.json)
    with working("reading runs"):
        viewer = Viewer(args)
        store = viewer.store()
        runs = store.latest(wanted, args.limit)
        is_counted = not args.json and len(runs) == args.limit and (viewer.counts or args.since is not None)
        count = store.count(wanted) if is_counted else 0
    if args.json:
        print_json(runs)
    elif runs:
        from otel_job_measure.cli.table import print_runs  # noqa: PLC0415 - rich, only for people

        print_runs(runs, time.time_ns())
        if count > len(runs):
            print(f"{len(runs)} of {count} runs")
    else:
        print(brief(_nothing(wanted, store.label), options.MOST_PATH), file=sys.stderr)
    if viewer.lacks:
        print(brief(viewer.lacks), file=sys.stderr)
    return 0


def wanted_of(args: argparse.Namespace) -> Wanted:
    """Returns which runs the options mean."""
    return Wanted(
        job=args.job,
        project=args.project,
        stage=args.stage,
        host=args.host,
        words=tuple(names.STATUS_END if word == _OK else word for word in args.status),
        since_ns=args.since,
    )


def print_json(runs: "Sequence[RunRecord]") -> None:
    """Prints a JSON object a line for each run."""
    from otel_job_measure.insight.encoding import run_object  # noqa: PLC0415 - only for programs

    for run in runs:
        print(options.json_line(run_object(run)))


def _show_output(args: argparse.Namespace) -> int:
    if args.source == options.INFLUXDB:
        args.parser.error("--output needs the history: no server gets the output of commands")
    from otel_job_measure.runtime.history_reader import up_to_date  # noqa: PLC0415 - not for --help

    history, _ = up_to_date(options.local_settings(args))
    uuid, kept = args.output, history.output(valid(args.output))
    if not kept.keys() & set(STREAMS):
        print(f"No output of a run {brief(uuid)} is kept.", file=sys.stderr)
        return 1
    texts = {stream: kept.get(stream, b"").decode("utf-8", "replace") for stream in STREAMS}
    if args.json:
        print(options.json_line({"uuid": uuid, **texts}))
        return 0
    for stream, text in texts.items():
        if text:
            print(f"{stream}, the last {len(kept[stream])} bytes:")
            print("\n".join(printable(line.expandtabs()) for line in text.removesuffix("\n").split("\n")))
    return 0


def _nothing(wanted: Wanted, where: str) -> str:
    if wanted != ALL:
        return f"No matching runs in {where}; without {_CHOICES}, all runs are listed."
    return f"No runs in {where} yet: measure a job, or see how it works with `otel-job-measure demo`."
