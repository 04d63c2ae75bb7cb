"""`otel-job-measure show`: everything about one run."""

import argparse
import sys
import time
from typing import TYPE_CHECKING

from otel_job_measure.cli import options
from otel_job_measure.cli.progress import working
from otel_job_measure.points.text import valid
from otel_job_measure.printable import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_job_measure.history.run_record import RunRecord

_DESCRIPTION = """Shows everything about one run: its times, lag and queue, attempts, outcome, error, the kept output of
its command, its trace, and the runs of its job before and after it. The beginning of the id will do; if several runs
begin so, they are listed."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("show", help="show everything about one run", description=_DESCRIPTION)
    parser.add_argument("uuid", metavar="UUID", help="the run's id, or its beginning")
    options.add_state_dir(parser)
    options.add_from(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs: see docs/see.md")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Shows a run."""
    from otel_job_measure.cli.viewer import Viewer, output_of  # noqa: PLC0415 - it imports SQLite
    from otel_job_measure.insight import run_page  # noqa: PLC0415 - the same

    with working("looking for the run"):
        viewer = Viewer(args)
        store = viewer.store()
        found = run_page.found_runs(store, valid(args.uuid))
        page = None
        if len(found) == 1:
            page = run_page.run(
                store,
                found[0],
                at_ns=time.time_ns(),
                output_of=lambda uuid: output_of(store, uuid),
                trace_link=viewer.trace_link,
            )
    if viewer.lacks:
        print(brief(viewer.lacks), file=sys.stderr)
    if page is None:
        return _several(args, found) if found else _none(args, store.label)
    if args.json:
        from otel_job_measure.insight.encoding import run_page_object  # noqa: PLC0415 - only for programs

        print(options.json_line(run_page_object(page)))
        return 0
    from otel_job_measure.cli.run_sheet import print_page  # noqa: PLC0415 - rich, only for people

    print_page(page)
    return 0


def _none(args: argparse.Namespace, where: str) -> int:
    options.complain(f"no run in {where} has an id that begins with {options.shown(args.uuid)}; `runs` lists the runs")
    return 1


def _several(args: argparse.Namespace, found: "Sequence[RunRecord]") -> int:
    """Lists the runs that are meant; for programs each is a line, as with `runs --json`."""
    from otel_job_measure.insight.run_page import MOST_FOUND  # noqa: PLC0415 - it imports SQLite

    if args.json:
        from otel_job_measure.cli.runs import print_json  # noqa: PLC0415 - only for programs

        print_json(found)
    else:
        from otel_job_measure.cli.table import print_runs  # noqa: PLC0415 - rich, only for people

        print_runs(found, time.time_ns())
    more = " or more" if len(found) == MOST_FOUND else ""
    options.complain(f"{len(found)} runs{more} have an id that begins with {options.shown(args.uuid)}: give more of it")
    return 1
