"""The command `otel-job-measure`."""

import argparse
import gc
import importlib
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType

from otel_job_measure.cli.formatter import Formatter

_COMMANDS = {
    "demo": "otel_job_measure.cli.demo",
    "exec": "otel_job_measure.cli.exec.command",
    "rejected": "otel_job_measure.cli.rejected",
    "runs": "otel_job_measure.cli.runs",
    "ship": "otel_job_measure.cli.ship",
}
_VERSION = "--version"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The words after the program's name; None for those of the process.

    Returns:
        The exit code: 0; 1 where the command could not do its work; 2 for wrong usage; `exec` gives its command's.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="otel-job-measure",
        description="Measures scheduled and background jobs, with InfluxDB as their store.",
        formatter_class=Formatter,
    )
    parser.add_argument(_VERSION, action=_Version, nargs=0, help="say which version this is, and end")
    # Without `prog` it would make the usage of the whole command, and load what asks the terminal for its width.
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=parser.prog)
    for module in _loaded(_needed(words)):
        module.add_parser(commands)
    arguments = parser.parse_args(words)
    exit_code: int = arguments.run(arguments)
    return exit_code


class _Version(argparse.Action):
    """Says the version. It is looked up only here: that takes longer than `exec` needs for its own part."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from otel_job_measure.runtime.version import version  # noqa: PLC0415 - as said

        print(f"{parser.prog} {version() or 'of a folder that was never installed'}")
        parser.exit()


def _needed(words: Sequence[str]) -> Iterable[str]:
    """Returns the commands to load: `exec` stands before every line of a crontab."""
    first = words[0] if words else ""
    if first == _VERSION:
        return ()
    return (first,) if first in _COMMANDS else _COMMANDS


def _loaded(names: Iterable[str]) -> list[ModuleType]:
    """Loads commands. What a module makes stays, and `exec` has no time to look for garbage in it."""
    looks = gc.isenabled()
    gc.disable()
    try:
        return [importlib.import_module(_COMMANDS[name]) for name in names]
    finally:
        if looks:
            gc.enable()
