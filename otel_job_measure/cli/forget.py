"""`otel-job-measure forget`: forgets what should happen to a job."""

import argparse

from otel_job_measure.cli import options
from otel_job_measure.cli.skip import add_job
from otel_job_measure.journal.expected_store import ExpectedStore
from otel_job_measure.printable import printable

_DESCRIPTION = """Forgets what all sources said of a job. A source that still says it, such as code that declares it or
a line of a crontab with `exec --schedule`, makes it known again when it is next seen."""


# The class has no public name.
def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage]
    """Adds the command to the command line."""
    parser = commands.add_parser("forget", help="forget what should happen to a job", description=_DESCRIPTION)
    add_job(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Forgets a job; returns 1 if there is none."""
    store = ExpectedStore(options.local_settings(args).state_path)
    forgotten = store.forget(args.job, args.project, args.stage)
    if not forgotten:
        options.complain(f"nothing is expected of {args.job}")
        return 1
    print(f"forgotten: {printable(args.job)} ({forgotten})")
    return 0
