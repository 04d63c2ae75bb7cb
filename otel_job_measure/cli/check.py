"""`otel-job-measure check`: what did not happen, as a plugin for Nagios and for people."""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from otel_job_measure.cli import check_text, notify_options, options
from otel_job_measure.cli.progress import working
from otel_job_measure.errors import StoreError

if TYPE_CHECKING:
    from otel_job_measure.insight.check import Checked

_DESCRIPTION = """Tells the state of each job: what did not run, failed, hangs or takes too long. The first line and the
exit code are those of a plugin for Nagios: 0 ok, 1 warning, 2 critical, 3 unknown. Wrong options are 3 too. With
--every it stays, prints what changed, and ends with SIGTERM or SIGINT."""
_TIMEOUT_S = 10
EVERY_S: Final = 60.0


class _TooLateError(StoreError):
    """The time is over: for what remembers when a store was away, it did not answer."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("check", help="tell what did not run, failed or hangs", description=_DESCRIPTION)
    options.add_state_dir(parser)
    options.add_from(parser)
    parser.add_argument("--job", metavar="NAME", help="only this job, or those of a pattern with * and ?")
    parser.add_argument("--project", metavar="PROJECT", help="only jobs of this project")
    parser.add_argument("--stage", metavar="STAGE", help="only jobs of this stage")
    parser.add_argument("--quiet", action="store_true", help="list only jobs that are not ok")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=options.seconds,
        help=f"give up after this time, such as 30s (default: {_TIMEOUT_S}s)",
    )
    add_every(parser)
    notify_options.add(parser)
    parser.set_defaults(run=run, parser=parser, fault=check_text.UNKNOWN)
    parser.error = _usage(parser)  # type: ignore[assignment, method-assign]


def add_every(parser: argparse.ArgumentParser) -> None:
    """Adds `--every`."""
    takes = partial(options.seconds, least=1, most=86_400, takes="1s to 1d, such as 1m")
    parser.add_argument(
        "--every", metavar="TIME", type=takes, help="stay, and check so often, such as 1m; with `ship --check`: 1m"
    )


def run(args: argparse.Namespace) -> int:
    """Checks all jobs, once or until a signal; every failure of the check itself is unknown."""
    if args.every is not None and args.timeout is not None:
        args.parser.error("--timeout is only valid without --every")
    if args.every is not None:
        from otel_job_measure.cli.check_loop import until_stopped  # noqa: PLC0415 - not for --help

        return until_stopped(args)
    timeout_s = _TIMEOUT_S if args.timeout is None else args.timeout
    began_s = time.monotonic()
    try:
        with _limited(timeout_s), working("checking all jobs"):
            from otel_job_measure.cli.checker import Checker  # noqa: PLC0415 - it imports SQLite, and is not for --help

            checker = Checker(args)
            found = checker.look()
    except _TooLateError:
        print(check_text.unknown_line(f"no answer within {timeout_s:g} s; --timeout takes a longer time"))
        return check_text.UNKNOWN
    except KeyboardInterrupt:
        print(check_text.unknown_line("it was interrupted"))
        return check_text.UNKNOWN
    except Exception as error:  # noqa: BLE001 - a plugin that fails is unknown, never a warning
        print(check_text.unknown_line(options.reason(error)))
        return check_text.UNKNOWN
    try:
        printing(args)(found, time.monotonic() - began_s)
    finally:  # people are told also if a full disk takes no line
        checker.tell(found)
    return found.level()


def printing(args: argparse.Namespace) -> "Callable[[Checked, float], None]":
    """Returns what prints a result in the form that the options say."""
    return print_json if args.json else lambda found, took_s: print_lines(found, took_s, quiet=args.quiet)


def print_json(found: "Checked", _took_s: float) -> None:
    """Prints one JSON object."""
    print(options.json_line(check_text.as_object(found)), flush=True)


def print_lines(found: "Checked", took_s: float, *, quiet: bool = True) -> None:
    """Prints the line of a plugin and a table; with `quiet` only what is not ok."""
    print("\n".join([check_text.first_line(found, took_s), *check_text.lines(found, quiet=quiet)]), flush=True)


@contextmanager
def _limited(seconds: float) -> Any:  # noqa: ANN401 - a context manager
    """Raises `_TooLateError` in the block when the time is over."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _TooLateError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _usage(parser: argparse.ArgumentParser) -> Callable[[str], NoReturn]:
    """Returns what ends the command on wrong options: for Nagios, 2 would be critical."""

    def error(message: str) -> NoReturn:
        print(check_text.unknown_line(message))
        parser.print_usage(sys.stderr)
        parser.exit(check_text.UNKNOWN)
        raise SystemExit(check_text.UNKNOWN)

    return error
