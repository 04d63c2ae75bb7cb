"""The command `otel-job-measure`."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import NoReturn

from otel_job_measure.errors import JobMeasureError
from otel_job_measure.printable import in_lines, printable

_VERSION = ("-V", "--version")
_MOST_MESSAGE = 1000
_MOST_ERROR = 4000
_INTERRUPTED = 130
"""As a shell tells of a program that SIGINT ended."""


class WrongUsage(SystemExit):
    """The command line is wrong, or asks only for help: nothing is run. The message is printed already."""


def main(
    argv: Sequence[str] | None = None,
    environment: Mapping[bytes, bytes] | None = None,
    ignored: Collection[int] = (),
) -> int:
    """Runs a command of ours.

    Args:
        argv: The words of the command line; by default those of the process.
        environment: The environment for the command of `exec`; by default that of the process.
        ignored: Signals that the parent ignores, for the command of `exec`; Python itself ignores some.

    Returns:
        0, or 1 if the command could not do its work; for `exec`, the exit code of its command.

    Raises:
        WrongUsage: The command line is wrong.
        BaseException: `exec` has failed, and its command is not started.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    arguments, unknown = _parser_of(_needed(words)).parse_known_args(words)
    if unknown:
        _refuse(arguments.parser, unknown)
    arguments.words, arguments.environment, arguments.ignored = words, environment, ignored
    arguments.whole = _parser_of
    if hasattr(arguments, "command"):
        exit_code: int = arguments.run(arguments)  # `exec` has its own errors
        return exit_code
    return _guarded(lambda: arguments.run(arguments), vars(arguments).get("fault"))


def _parser_of(names: Iterable[str] | None = None) -> argparse.ArgumentParser:
    """Returns a parser that knows some commands, or all."""
    parser = _Parser(
        prog="otel-job-measure", description="Measures scheduled and background jobs, with InfluxDB as their store."
    )
    parser.add_argument(*_VERSION, action=_Version, nargs=0, help="print the version and exit")
    # With `prog` given, argparse does not format the usage of the whole program first.
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog=parser.prog)
    for name in _COMMANDS if names is None else names:
        _COMMANDS[name]().add_parser(commands)
    return parser


class _StdoutError(JobMeasureError, OSError):
    """Stdout takes nothing, as on a full disk."""


class _Parser(argparse.ArgumentParser):
    """A parser whose exit is told from every other `SystemExit`; those of the commands have this class too."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message[:_MOST_MESSAGE]))

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            self._print_message(message, sys.stderr)
        raise WrongUsage(status or _guarded(int))  # what stdout has of --help and --version may not be written yet


class _Version(argparse.Action):
    """Prints the version. Only this imports what looks it up, which takes longer than `exec` itself."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from otel_job_measure.runtime.version import version  # noqa: PLC0415 - imported only if asked for

        print(f"{parser.prog} {version() or '(not installed)'}")
        parser.exit()


def _check() -> ModuleType:
    from otel_job_measure.cli import check  # noqa: PLC0415 - see `_needed`

    return check


def _completion() -> ModuleType:
    from otel_job_measure.cli import completion  # noqa: PLC0415 - see `_needed`

    return completion


def _demo() -> ModuleType:
    from otel_job_measure.cli import demo  # noqa: PLC0415 - see `_needed`

    return demo


def _doctor() -> ModuleType:
    from otel_job_measure.cli import doctor  # noqa: PLC0415 - see `_needed`

    return doctor


def _exec() -> ModuleType:
    from otel_job_measure.cli.exec import command  # noqa: PLC0415 - see `_needed`

    return command


def _expected() -> ModuleType:
    from otel_job_measure.cli import expected  # noqa: PLC0415 - see `_needed`

    return expected


def _forget() -> ModuleType:
    from otel_job_measure.cli import forget  # noqa: PLC0415 - see `_needed`

    return forget


def _show() -> ModuleType:
    from otel_job_measure.cli import show  # noqa: PLC0415 - see `_needed`

    return show


def _skip() -> ModuleType:
    from otel_job_measure.cli import skip  # noqa: PLC0415 - see `_needed`

    return skip


def _jobs() -> ModuleType:
    from otel_job_measure.cli import jobs  # noqa: PLC0415 - see `_needed`

    return jobs


def _report() -> ModuleType:
    from otel_job_measure.cli import report  # noqa: PLC0415 - see `_needed`

    return report


def _rejected() -> ModuleType:
    from otel_job_measure.cli import rejected  # noqa: PLC0415 - see `_needed`

    return rejected


def _runs() -> ModuleType:
    from otel_job_measure.cli import runs  # noqa: PLC0415 - see `_needed`

    return runs


def _ship() -> ModuleType:
    from otel_job_measure.cli import ship  # noqa: PLC0415 - see `_needed`

    return ship


def _watch() -> ModuleType:
    from otel_job_measure.cli import watch  # noqa: PLC0415 - see `_needed`

    return watch


def _web() -> ModuleType:
    from otel_job_measure.cli import web  # noqa: PLC0415 - see `_needed`

    return web


# Each import is a statement, because tools that freeze an app follow no computed name.
_COMMANDS: dict[str, Callable[[], ModuleType]] = {
    "check": _check,
    "completion": _completion,
    "demo": _demo,
    "doctor": _doctor,
    "exec": _exec,
    "expected": _expected,
    "forget": _forget,
    "jobs": _jobs,
    "rejected": _rejected,
    "report": _report,
    "runs": _runs,
    "ship": _ship,
    "show": _show,
    "skip": _skip,
    "watch": _watch,
    "web": _web,
}


def _needed(words: Sequence[str]) -> Iterable[str]:
    """Returns the commands to load: all for `--help`, else one, because every line of a crontab starts `exec`."""
    first = words[0] if words else ""
    if first in _VERSION:
        return ()
    return (first,) if first in _COMMANDS else _COMMANDS


def _refuse(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> None:
    """Ends with the usage of the sub-command and the option nearest to an unknown one."""
    import difflib  # noqa: PLC0415 - only for wrong usage
    import re  # noqa: PLC0415 - only for wrong usage

    options = re.findall(r"--[a-z-]+", parser.format_help())
    near = difflib.get_close_matches(unknown[0].partition("=")[0], options, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")


def _guarded(run: Callable[[], int], fault: int | None = None) -> int:
    """Returns the exit code of a command.

    An error of the package or the system becomes one line on stderr, and exit code 1. Ctrl-C ends it without a word.

    Args:
        run: Runs it.
        fault: The exit code if it fails for any reason; None for the usual ones.
    """
    try:
        _prepare_output()
        exit_code = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        exit_code = _INTERRUPTED if fault is None else fault
    except BrokenPipeError:  # the reader has seen enough, as in `| head`
        exit_code = fault or 0
    except (JobMeasureError, OSError) as error:
        _drop_output()
        with suppress(OSError):
            print(f"otel-job-measure: {in_lines(str(error)[:_MOST_ERROR])}", file=sys.stderr)
        exit_code = 1 if fault is None else fault
    _drop_output()
    return exit_code


def _prepare_output() -> None:
    """Lets stdout show letters that its locale lacks as escapes, and tell its errors from those of other files.

    A stdout or stderr that the parent closed takes everything.
    """
    sys.stdout, sys.stderr = (
        stream or io.TextIOWrapper(io.FileIO(os.devnull, "w"))  # pyright: ignore[reportUnnecessaryComparison]
        for stream in (sys.stdout, sys.stderr)
    )
    buffer: object = getattr(sys.stdout, "buffer", None)
    raw: object = getattr(buffer, "raw", buffer)
    if isinstance(raw, io.FileIO) and "write" not in vars(raw):
        vars(raw)["write"] = partial(_write, raw.write)
    stdout: object = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")  # it writes what the buffer holds


def _write(write: Callable[[bytes], int], content: bytes) -> int:
    try:
        return write(content)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _StdoutError(f"stdout cannot be written: {error.strerror}") from error


def _drop_output() -> None:
    """Prevents a failure at exit, for what the buffers of stdout and stderr still hold."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), stream.fileno())
