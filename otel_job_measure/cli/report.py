"""`otel-job-measure report`: all jobs over a period, and what changed against the period before."""

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_job_measure.cli import options
from otel_job_measure.cli.progress import working
from otel_job_measure.errors import JobMeasureError, NotifyError
from otel_job_measure.points.text import clean_field, clean_tag
from otel_job_measure.printable import brief, printable

if TYPE_CHECKING:
    from otel_job_measure.insight.report.report import Report

_DESCRIPTION = """Shows what changed in a period against the period before: which jobs fail more, are slower, are new or
gone. Then the jobs that are not ok, the failures, and a line for each job. It writes no rows."""
_FORMS: Final = ("html", "markdown", "csv", "json", "mail")
_LEAST_WIDTH: Final = 60


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser("report", help="show what changed in a period", description=_DESCRIPTION)
    options.add_state_dir(parser)
    options.add_from(parser)
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=options.since,
        help="the begin of the period: 7d, 30d or an ISO time (default: 30d, or half of the time that the store keeps "
        "runs if that is shorter); it is compared with the time of the same length before",
    )
    parser.add_argument("--job", metavar="NAME", type=options.job_name, help="only this job; 'night*' means all such")
    parser.add_argument("--project", metavar="NAME", type=clean_tag, help="only jobs of this project; '' means none")
    parser.add_argument("--stage", metavar="NAME", type=clean_tag, help="only jobs of this stage; '' means none")
    parser.add_argument("--host", metavar="NAME", type=clean_field, help="only runs on this host")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write one file for a browser; - means stdout")
    parser.add_argument("--markdown", action="store_true", help="write Markdown")
    parser.add_argument("--csv", action="store_true", help="write a line of CSV for each job")
    parser.add_argument("--json", action="store_true", help="write one JSON object, for programs: see docs/see.md")
    parser.add_argument(
        "--mail",
        metavar="ADDRESS",
        nargs="*",
        type=_address,
        help="write a mail with text and page, for `sendmail -t`; without an address, its header To is missing",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Shows the report."""
    forms = [name for name in _FORMS if getattr(args, name) is not None and getattr(args, name) is not False]
    if len(forms) > 1:
        args.parser.error(f"--{forms[0]} and --{forms[1]} exclude each other")
    with working("reading runs"):
        from otel_job_measure.cli.viewer import Viewer  # noqa: PLC0415 - it imports SQLite, and is not for --help

        viewer = Viewer(args)
        shown = _form(args, viewer.report()).encode()
    if args.html is None or str(args.html) == "-":
        sys.stdout.buffer.write(shown)
        sys.stdout.flush()
    else:
        _write(args.html, shown)
    if viewer.lacks:
        print(brief(viewer.lacks), file=sys.stderr)
    return 0


def _form(args: argparse.Namespace, found: "Report") -> str:
    # Each form is loaded alone.
    if args.html is not None:
        from otel_job_measure.insight.report import page  # noqa: PLC0415

        return page.html(found)
    if args.mail is not None:
        from otel_job_measure.insight.report import mail  # noqa: PLC0415

        return mail.mail(found, args.mail).decode("ascii")
    from otel_job_measure.insight.report import tables, text  # noqa: PLC0415

    if args.markdown:
        return tables.markdown(found)
    if args.csv:
        return tables.table_csv(found)
    if args.json:
        return options.json_line(tables.report_object(found)) + "\n"
    return text.text(found, max(_LEAST_WIDTH, _width()))


def _width() -> int:
    if sys.stdout.isatty():
        with suppress(OSError):
            return os.get_terminal_size(sys.stdout.fileno()).columns
    return 80


def _write(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: a web server may be reading the former one. A link or a device stays one."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        target = path.resolve()
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_bytes(content)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise JobMeasureError(f"{printable(str(path))} cannot be written: {error.strerror}") from error


def _address(text: str) -> str:
    from otel_job_measure.insight.notify.mail import address  # noqa: PLC0415 - only for mails

    try:
        return address(text).addr_spec
    except NotifyError:
        takes = "it takes one like ops@example.com"
        raise argparse.ArgumentTypeError(f"{options.shown(text)} is no mail address; {takes}") from None
