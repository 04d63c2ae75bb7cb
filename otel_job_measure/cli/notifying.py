"""`check --notify` and `--ping`: tells people what changed since the last check."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from otel_job_measure.cli import options
from otel_job_measure.errors import NotifyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_job_measure.expectations.expectation import JobId
    from otel_job_measure.insight.check import Checked
    from otel_job_measure.insight.notify.target import Target
    from otel_job_measure.insight.run_store import RunStore
    from otel_job_measure.settings import Settings

_MOST = 16 * 1024


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options to `check`."""
    add_targets(parser)
    parser.add_argument("--ping", metavar="URL", help="get this URL after each full check, for another monitor")


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Adds `--notify` and `--secret-file`."""
    parser.add_argument(
        "--notify",
        metavar="URL",
        action="append",
        default=[],
        help="tell this target what changed: mailto:, smtp://, https:// (JSON by POST), exec:COMMAND, or any URL of "
        "Apprise; @FILE reads the URL from a file, so that the process list does not show it; you may repeat it",
    )
    parser.add_argument("--secret-file", metavar="FILE", type=Path, help="what JSON bodies are signed with")


def targets(args: argparse.Namespace) -> "list[Target]":
    """Returns the targets; raises `NotifyError` if one cannot be used."""
    if not args.notify:
        return []
    from otel_job_measure.insight.notify.target import target_of  # noqa: PLC0415 - only if asked for

    secret = _text_of(args.secret_file, "--secret-file") if args.secret_file else ""
    return [target_of(_url(each), secret=secret) for each in args.notify]


def tell(  # noqa: PLR0913, PLR0917 - what was asked, and what came of it
    args: argparse.Namespace,
    to: "list[Target]",
    settings: "Settings",
    found: "Checked",
    store: "RunStore",
    output: "Callable[[str], Mapping[str, bytes]]",
    wants: "Callable[[JobId], bool]",
    stopped: "Callable[[], bool]",
) -> None:
    """Tells the targets what changed, and pings; what goes wrong is said on stderr, and changes no exit code."""
    from otel_job_measure.insight.notify.look import detailing, look_of  # noqa: PLC0415 - only if asked for
    from otel_job_measure.insight.notify.memory import Memory  # noqa: PLC0415 - the same
    from otel_job_measure.insight.notify.notifier import Notifier  # noqa: PLC0415 - the same
    from otel_job_measure.insight.notify.webhook import ping  # noqa: PLC0415 - the same

    try:
        if to:
            notifier = Notifier(
                Memory(settings.state_path),
                to,
                lambda _: to,
                detailed=detailing(store, output),
                link=settings.link or "",
                stopped=stopped,
            )
            for problem in notifier.tell(look_of(found, store, wants)).problems:
                options.complain(problem)
        if args.ping:
            ping(_url(args.ping))
    except NotifyError as error:
        options.complain(options.in_one_line(error))


def _url(given: str) -> str:
    return _text_of(Path(given[1:]), given[:1]) if given.startswith("@") else given


def _text_of(path: Path, what: str) -> str:
    """Returns the first line of a file."""
    try:
        with path.open("rb") as file:
            lines = file.read(_MOST).decode("utf-8", "replace").split("\n")
    except OSError as error:
        raise NotifyError(f"{what} {str(path)!a} cannot be read: {error.strerror}") from error
    if not (line := lines[0].strip()):
        raise NotifyError(f"{what} {str(path)!a} has no first line; its content is not shown")
    return line
