"""`otel-job-measure web`: the jobs as a page in a browser."""

import argparse
import ipaddress
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_job_measure.cli import options
from otel_job_measure.errors import MissingDependencyError, StateDirError
from otel_job_measure.web.hosts import Hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_job_measure.web.look import Look

_DESCRIPTION = """Shows all jobs and their runs as a page that only reads. It prints a URL with a token; without the
token, nobody sees anything. By default only browsers of this machine reach it."""
_LOCAL: Final = "127.0.0.1"
_PORT: Final = 8765
_MOST_PORT: Final = 65_535
_PERIOD_NS: Final = 7 * 86_400 * 10**9


# The class has no public name.
def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage]
    """Adds the command `web`."""
    parser = commands.add_parser("web", help="show all jobs as a page in a browser", description=_DESCRIPTION)
    options.add_state_dir(parser)
    options.add_from(parser)
    parser.add_argument(
        "--port",
        metavar="PORT",
        type=options.count(0, _MOST_PORT),
        default=_PORT,
        help=f"where it listens; 0 for any free port (default: {_PORT})",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        type=_address,
        default=_LOCAL,
        help=f"the address to listen on (default: {_LOCAL}); any but this machine's own needs --token-file",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        help="a file with the token, of 16 characters or more; kept at a restart",
    )
    parser.add_argument(
        "--allow-host",
        metavar="NAME",
        type=_host,
        action="append",
        default=[],
        help="a further name under which browsers may ask for the page; may be repeated",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Answers browsers until a signal comes."""
    if not ipaddress.ip_address(args.address).is_loopback and args.token_file is None:
        args.parser.error(f"--address {args.address} needs --token-file, because others reach that address too")
    try:
        from otel_job_measure.web.serve import serve  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        message = f"`web` needs the module {error.name}: pip install 'otel-job-measure[web]'"
        raise MissingDependencyError(message) from error
    options.log_to_stderr()
    serve(
        address=args.address,
        port=args.port,
        names=args.allow_host,
        token_file=args.token_file,
        open_store=lambda: _looks(args),
        tell=_tell,
    )
    return 0


def _tell(url: str) -> None:
    print(url, flush=True)
    options.complain("the page is at that URL; Ctrl-C ends it")


def _looks(args: argparse.Namespace) -> "Callable[[], Look]":
    """Returns what takes looks at the store; root goes on with the rights of the state directory's owner."""
    # Loaded before that, because the owner may not read root's installation.
    from otel_job_measure.insight import overview  # noqa: PLC0415 - it imports SQLite
    from otel_job_measure.insight.look import look  # noqa: PLC0415 - the same
    from otel_job_measure.journal.expected_store import ExpectedStore  # noqa: PLC0415 - the same
    from otel_job_measure.runtime.crontabs import Crontabs  # noqa: PLC0415 - the same
    from otel_job_measure.runtime.jobs_file import JobsFileReader  # noqa: PLC0415 - the same
    from otel_job_measure.web.look import Look  # noqa: PLC0415 - the same

    source = options.source_of(args)
    settings = None
    with suppress(StateDirError):  # an InfluxDB needs no state directory
        settings = options.local_settings(args)
    readers = () if settings is None else (JobsFileReader(settings), Crontabs(settings))

    def taken() -> Look:
        asked = source()
        for problem in (problem for reader in readers for problem in reader.look()):
            options.complain(problem)
        found = look(
            asked.store,
            complete_until_ns=asked.complete_until_ns,
            folder=None if settings is None else settings.state_path,
            here=() if settings is None else ExpectedStore(settings.state_path).jobs(),
        )
        jobs = overview.jobs(asked.store, found, since_ns=found.at_ns - _PERIOD_NS)
        link = None if settings is None else settings.trace_link
        return Look(store=asked.store, found=found, overview=jobs, lacks=asked.lacks, trace_link=link)

    return taken


def _address(text: str) -> str:
    if text == "localhost":
        return _LOCAL
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        takes = "it takes 127.0.0.1, 0.0.0.0, ::1 and the like"
        raise argparse.ArgumentTypeError(f"{options.shown(text)} is not an address; {takes}") from None


def _host(text: str) -> str:
    if Hosts(address=_LOCAL, names=(text,)).allows(text):
        return text
    takes = "it takes jobs.example.com and the like, without a scheme and a port"
    raise argparse.ArgumentTypeError(f"{options.shown(text)} is not a host's name; {takes}")
