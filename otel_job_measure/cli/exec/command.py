"""`otel-job-measure exec`: runs a command transparently and measures it."""

import argparse
import logging
import os
import re
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from otel_job_measure.cli import options
from otel_job_measure.cli.exec import process, spawn
from otel_job_measure.cli.exec.arrivals import service_manager
from otel_job_measure.cli.exec.run import MeasuredCommand, load_late_parts
from otel_job_measure.cli.exec.time_limit import MOST_S, TimeLimit
from otel_job_measure.cli.exec.unmeasured import Unmeasured
from otel_job_measure.cli.options import complain, in_one_line
from otel_job_measure.journal.kept_output import MOST_BYTES
from otel_job_measure.journal.rights import Rights
from otel_job_measure.printable import brief
from otel_job_measure.settings import Settings
from otel_job_measure.settings.parsers import RefusedError, seconds

if TYPE_CHECKING:
    from otel_job_measure.cli.exec.notify import Relay

_USAGE = """%(prog)s [-h] [--env-file FILE] [--keep-output SIZE]
    [--keep-running] [--timeout TIME [--kill-after TIME]]
    [--schedule CRON | --every TIME] [--timezone ZONE] [--grace TIME] [...]
    NAME -- COMMAND [ARG ...]"""
_DESCRIPTION = """Runs COMMAND and measures it as a run of the job NAME. Input, output, signals and exit code are those
of the command. If the measurement fails, one line on stderr says so, and the command runs all the same. If
SIGKILL ends exec itself, it ends the command too, and the run is recorded as failed, reason lost."""

_MOST_LINE = 4000
_LIMITS = (
    ("schedule", "CRON", "when the job should run: cron ('5 2 * * *', '@daily') or OnCalendar ('Mon..Fri 08:00')"),
    ("every", "TIME", "how often it should run, in place of a schedule: 30m, 1h, 1d"),
    ("timezone", "ZONE", "the schedule's time zone, such as Europe/Berlin (default: this machine's)"),
    ("dialect", "DIALECT", "whose rules apply to the schedule, see `otel-job-measure expected --help`"),
    ("grace", "TIME", "how long after a due time a start is still in time"),
    ("max_runtime", "TIME", "how long a run may take"),
    ("min_runtime", "TIME", "how long a run takes at least"),
    ("min_interval", "TIME", "how far apart starts are at least"),
    ("max_age", "TIME", "how old the last success may become"),
    ("failures", "N", "how many failures in a row make the job `failing`"),
    ("scope", "SCOPE", "any: a run on any host counts; host: each host has due times of its own (default)"),
)

_is_size = re.compile(r"([0-9]{1,6}) ?(?:(k|kb|kib)|b|)", re.IGNORECASE).fullmatch


class _OneLine(logging.Formatter):
    """Shows an exception by its message: stderr belongs to the command."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        record.exc_info = record.exc_text = None
        line = "; ".join(super().format(record).split("\n"))
        return brief(line if error is None else f"{line}: {in_one_line(error)}", _MOST_LINE)


class Given:
    """The command as it would run without `exec`."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.arguments = [os.fsencode(argument) for argument in _command(args)]
        self.environment = dict(os.environb if args.environment is None else args.environment)
        # Read before this process changes its own.
        self.inherited = spawn.Inherited(
            signal.pthread_sigmask(signal.SIG_BLOCK, ()), process.ignored(args.ignored), Rights.of_this_process()
        )
        self.outlives: bool = args.keep_running
        self.limit_s: float = args.timeout
        self._kill_after_s: float = args.kill_after

    def replace_us(self) -> int:
        """Replaces this process by the command; returns a shell's exit code if the command cannot be run."""
        if self.limit_s:
            signal.setitimer(signal.ITIMER_REAL, self.limit_s)  # an alarm outlasts this process
        try:
            spawn.replace(self.arguments, self.environment, self.inherited)
        except spawn.NotStarted as reason:
            complain(str(reason))
            return reason.code

    def run(self, measured: MeasuredCommand | Unmeasured) -> process.Ending:
        """Runs the command as a child process, and returns how it ended."""
        relay = _relay(self.environment)
        environment = self.environment | measured.variables | ({} if relay is None else relay.variables)
        start = spawn.Start(self.arguments, environment, self.inherited, outlives=self.outlives)
        manager = service_manager(self.environment)
        held: spawn.HeldCommand | None = None
        try:
            with measured.attached():
                held = spawn.HeldCommand(start)
            child = process.Child(held, start.inherited.rights, manager, measured.keep_up, measured.note)
        except spawn.NoRoom as reason:
            complain(f"{reason}: the command replaces this process, so its end is not measured")
            ending = process.Ending(code=self.replace_us())
            measured.note(ending)
            return ending
        except spawn.NotStarted as reason:
            complain(str(reason))
            ending = process.Ending(code=reason.code)
            measured.note(ending)
            measured.deliver()
            return ending
        except BaseException as error:
            if held is None or not held.is_let_go:
                raise  # the command is not started
            complain(f"{in_one_line(error)}; signals to exec do not reach the command")
            return process.ending_of(held.pid)
        try:
            if relay is not None:
                relay.start(child.pid)
            limit = TimeLimit(self.limit_s, self._kill_after_s)
            return child.wait(limit, measured.deliver if measured.delivers else None)
        except BaseException as error:  # noqa: BLE001 - the command is running: its end is waited for, whatever fails
            complain(f"{in_one_line(error)}; signals to exec no longer reach the command")
            return child.ending or process.ending_of(child.pid)
        finally:
            if relay is not None:
                relay.finish()


def _relay(environment: Mapping[bytes, bytes]) -> "Relay | None":
    if b"NOTIFY_SOCKET" not in environment:
        return None
    try:
        from otel_job_measure.cli.exec import notify  # noqa: PLC0415 - only for services of systemd

        return notify.relay(environment)
    except Exception as error:  # noqa: BLE001 - the command comes first
        complain(f"{in_one_line(error)}; the command may be unable to notify systemd")
        return None


# The class has no public name.
def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage]
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "exec", help="run a command and measure it", usage=_USAGE, description=_DESCRIPTION, allow_abbrev=False
    )
    options.add_env_file(parser)
    parser.add_argument(
        "--keep-output",
        metavar="SIZE",
        type=_size,
        help="keep the last bytes of stdout and stderr of a failed command in the local history: 4k, at most 64k",
    )
    parser.add_argument("--keep-running", action="store_true", help="let the command go on if SIGKILL ends exec itself")
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=_time,
        default=0.0,
        help="end the command with SIGTERM after so long: 90s, 10m, 1h, 1d; the exit code is 124, the reason timeout",
    )
    parser.add_argument(
        "--kill-after",
        metavar="TIME",
        type=_time,
        default=0.0,
        help="end it with SIGKILL if it still runs so long after that; the exit code is then 137",
    )
    for limit, metavar, words in _LIMITS:
        parser.add_argument(f"--{limit.replace('_', '-')}", metavar=metavar, help=words)
    parser.add_argument("name", metavar="NAME", type=_name, help="the job's name")
    parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs=argparse.REMAINDER,
        help="the command and its arguments; `--` separates its options from those of exec",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code; if a signal killed it, this process dies of the same signal."""
    given = Given(args)
    measured: MeasuredCommand | Unmeasured | None = None
    try:
        handler = logging.StreamHandler()
        handler.setFormatter(_OneLine("otel-job-measure: %(message)s"))
        logging.basicConfig(handlers=[handler])
        process.fill_closed_files()
        process.hold_signals()
        options.load_env_file(args.env_file)
        settings = options.with_owners_rights(Settings.from_env(), before=load_late_parts)
        if not settings.disabled:
            measured = MeasuredCommand(args.name, settings, _limits(args))
            if args.keep_output:
                measured.watch_output(args.keep_output)
    except Exception as error:  # noqa: BLE001 - the command runs whatever fails here
        complain(f"{in_one_line(error)}; the command runs and is not measured")
        measured = None
    if measured is None and not given.limit_s:
        return given.replace_us()
    measured = measured or Unmeasured()
    ending = given.run(measured)
    try:
        measured.end(ending)
        process.leave_on_signals(ending)
        measured.keep_output(ending)
        measured.close()
        if ending.signal is not None:
            process.die_of(ending.signal)
    except BaseException as error:  # noqa: BLE001 - the exit code is the command's, whatever fails here
        complain(f"{in_one_line(error)}; the rest is not measured")
    return ending.code


def _limits(args: argparse.Namespace) -> Mapping[str, str]:
    """Returns the limits as they were written; they are read while the command runs."""
    return {limit: text for limit, _, _ in _LIMITS if (text := getattr(args, limit)) is not None}


def _command(args: argparse.Namespace) -> Sequence[str]:
    """Returns the command: all remaining words, without a `--` before them."""
    words: Sequence[str] = args.command[1:] if args.command[:1] == ["--"] else args.command
    if "--" in args.words and args.name not in args.words[: args.words.index("--")]:
        args.parser.error("there is no job's name before `--`; a name cannot look like an option")
    if not words:
        args.parser.error("there is no command after the job's name")
    if words[0].startswith("-"):
        args.parser.error(f"{words[0]} is not a command; put the options of exec before the job's name")
    return words


def _size(text: str) -> int:
    found = _is_size(text)
    size = int(found[1]) * (1024 if found[2] else 1) if found else 0
    if not 1 <= size <= MOST_BYTES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size; it takes 1 to {MOST_BYTES} bytes, such as 4k or 64KiB"
        )
    return size


def _time(text: str) -> float:
    try:
        return seconds(least=0, most=MOST_S)(text)
    except RefusedError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time; it takes a number of seconds or one with a unit, such as 90s, 10m, 1h or 1d, "
            "up to a year; 0 is no limit"
        ) from None


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a job's name can't be empty")
    return text
