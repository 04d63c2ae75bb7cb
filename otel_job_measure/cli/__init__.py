"""The command `otel-job-measure`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

_COMMANDS = {
    "demo": "otel_job_measure.cli.demo",
    "exec": "otel_job_measure.cli.exec_",
    "runs": "otel_job_measure.cli.runs",
    "ship": "otel_job_measure.cli.ship",
}
USAGE = 2
"""The exit code of wrong usage, as argparse has it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The words after the program's name; None for those of the process.

    Returns:
        The exit code: 0; 1 where the command could not do its work; 2 for wrong usage; `exec` gives its command's.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="otel-job-measure", description="Measures scheduled and background jobs, with InfluxDB as their store."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    # Only the command that is asked for is loaded: `exec` stands before every line of a crontab.
    wanted = [words[0]] if words and words[0] in _COMMANDS else list(_COMMANDS)
    for name in wanted:
        importlib.import_module(_COMMANDS[name]).add_parser(commands)
    arguments = parser.parse_args(words)
    exit_code: int = arguments.run(arguments)
    return exit_code
