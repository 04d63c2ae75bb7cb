"""`otel-job-measure runs`: the latest runs of the history."""

import argparse
import sys

from otel_job_measure import names
from otel_job_measure.cli import options
from otel_job_measure.history.wanted import ALL, WORDS, Wanted
from otel_job_measure.journal.kept_output import STREAMS
from otel_job_measure.points.text import clean_field, clean_tag, valid
from otel_job_measure.printable import brief, printable

_DESCRIPTION = """Lists the latest runs, newest first, from this machine's history or from InfluxDB (--from). Before the
history answers, it reads the points of all processes, also of running ones. If no server is configured, this takes the
points out of the journal. If you configure one later, `otel-job-measure ship --backfill` sends them."""
_CHOICES = "--job, --project, --stage, --host, --status and --since"
_LIMIT = 20
_MOST = 10**9
_MOST_PATH = 5000


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("runs", help="list the latest runs", description=_DESCRIPTION)
    options.add_state_dir(parser)
    options.add_from(parser)
    parser.add_argument("--job", metavar="NAME", type=_job, help="only runs of this job; 'night*' means all such names")
    parser.add_argument("--project", metavar="NAME", type=clean_tag, help="only runs of this project; '' means none")
    parser.add_argument("--stage", metavar="NAME", type=clean_tag, help="only runs of this stage; '' means none")
    parser.add_argument("--host", metavar="NAME", type=clean_field, help="only runs on this host")
    parser.add_argument(
        "--status",
        metavar="STATUS",
        choices=WORDS,
        action="append",
        default=[],
        help=f"only runs with one of these: {', '.join(WORDS)}; you may repeat it",
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
        "--output",
        metavar="UUID",
        help="show the end of what the command of one failed run wrote, if `exec --keep-output` kept it",
    )
    parser.add_argument("--json", action="store_true", help="JSON lines, for programs")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Lists runs."""
    if args.output is not None:
        return _show_output(args)
    asked = options.store_of(args)
    wanted = Wanted(
        job=args.job,
        project=args.project,
        stage=args.stage,
        host=args.host,
        words=tuple(args.status),
        since_ns=args.since,
    )
    runs = asked.store.latest(wanted, args.limit)
    if args.json:
        from otel_job_measure.insight.encoding import run_object  # noqa: PLC0415 - only for programs

        for record in runs:
            print(options.json_line(run_object(record)))
    elif runs:
        from otel_job_measure.cli.table import print_runs  # noqa: PLC0415 - rich, only for people

        print_runs(runs)
        if asked.counts and len(runs) == args.limit and (count := asked.store.count(wanted)) > len(runs):
            print(f"{len(runs)} of {count} runs")
    else:
        print(brief(_nothing(wanted, asked.store.label), _MOST_PATH), file=sys.stderr)
    if asked.lacks:
        print(brief(asked.lacks), file=sys.stderr)
    return 0


def _show_output(args: argparse.Namespace) -> int:
    if args.source == options.INFLUXDB:
        args.parser.error("--output needs the history: no server gets the output of commands")
    from otel_job_measure.runtime.history_reader import up_to_date  # noqa: PLC0415 - not for --help

    history, _ = up_to_date(options.local_settings(args))
    uuid, kept = args.output, history.output(valid(args.output))
    if not kept:
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


def _job(text: str) -> str:
    """Returns a job's name as its rows have it, because rows replace some characters."""
    return clean_tag(text) or names.UNNAMED
