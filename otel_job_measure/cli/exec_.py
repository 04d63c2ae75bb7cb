"""`otel-job-measure exec`: measures a command that isn't Python, and is to it as if it weren't there."""

import argparse
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from otel_job_measure import names, runtime
from otel_job_measure.cli import child, command, env_file, tracing
from otel_job_measure.errors import JobMeasureError, SettingsError
from otel_job_measure.points.outcome import ENDED, Outcome
from otel_job_measure.settings import Settings
from otel_job_measure.spans.run import Run

if TYPE_CHECKING:
    from otel_job_measure.cli.trace import RunSpan

_STDERR: Final = 2
_DESCRIPTION: Final = """\
Runs a command as a job and measures it. Its input, output, exit code and signals are its own. What fails on our side is
said on stderr; the command runs all the same."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command to the command line.

    Args:
        commands: What `add_subparsers` gave.
    """
    parser = commands.add_parser(
        "exec", help="run a command and measure it", description=_DESCRIPTION, allow_abbrev=False
    )
    env_file.add_option(parser)
    parser.add_argument("name", metavar="NAME", type=_name, help="the job's name")
    parser.add_argument(
        "command",
        metavar="-- COMMAND ...",
        nargs=argparse.REMAINDER,
        action=_Command,
        help="the command and its arguments",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Args:
        args: What `add_parser` has set up: `name`, `command`, `env_file`.

    Returns:
        The command's exit code. Where a signal killed it, this does not return: we die of the same.
    """
    given = _Given(args.command)
    try:
        given.mask = child.hold_signals()
        _fill_closed_files()
        env_file.load(args.env_file)
        settings = Settings.from_env()
        if settings.disabled:
            return given.replace_us()
        measured = _Measured(args.name, settings)
    except Exception as error:  # noqa: BLE001 - whatever fails on our side, the command runs
        complain(f"{_words(error)}; the command runs unmeasured")
        return given.replace_us()
    return _run_measured(given, measured)
