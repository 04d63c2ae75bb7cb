"""`otel-job-measure rejected`: the lines that the server refused, to be seen, mended, sent again or given up."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from otel_job_measure import names
from otel_job_measure.cli import env_file, mending
from otel_job_measure.errors import JobMeasureError, LineProtocolError, StateDirError
from otel_job_measure.journal.rejected_lines import Rejected, RejectedLines
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.settings import Settings
from otel_job_measure.settings.parsers import MEMORY

_VARIABLES = ("HOME", "XDG_STATE_HOME", f"{names.ENV_PREFIX}STATE_DIR")
_USAGE = """%(prog)s [-h] [--env-file FILE] [--state-dir DIR]
    [--json | --lines | --edit | --retry [--from FILE] | --discard [--all]]
    [ID ...]"""
_DESCRIPTION = """Lists the lines that InfluxDB, or a receiver of OTLP, refused, the oldest first, with its reasons.
They are kept until they are sent again or given up. With ids, only those lines."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line.

    Args:
        commands: What `add_subparsers` gave.
    """
    parser = commands.add_parser(
        "rejected", help="show, mend and retry what the server refused", usage=_USAGE, description=_DESCRIPTION
    )
    env_file.add_option(parser)
    parser.add_argument(
        "--state-dir", metavar="DIR", type=env_file.folder, help="the state directory (default: the setting)"
    )
    parser.add_argument("ids", metavar="ID", nargs="*", help="only these lines; the beginning of an id is enough")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--json", action="store_true", help="list them as JSON lines, for programs")
    what.add_argument("--lines", action="store_true", help="print them as line protocol, reasons above, to be mended")
    what.add_argument("--edit", action="store_true", help="mend them in $VISUAL or $EDITOR, then send them again")
    what.add_argument("--retry", action="store_true", help="send them again")
    what.add_argument("--discard", action="store_true", help="give up the lines with these ids, or --all")
    parser.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        help="with --retry: send what is in FILE, made by --lines and mended (-: stdin)",
    )
    parser.add_argument("--all", action="store_true", help="with --discard: all of them")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Does what was asked for with the refused lines.

    Args:
        args: What `add_parser` has set up.

    Returns:
        0; 1 where a line was refused again or could not be sent, or where the state directory can't be used.
    """
    _check(args)
    try:
        env_file.load(args.env_file)
        kept = RejectedLines(_folder(args.state_dir))
        found = _chosen(kept.all(), args.ids)
        if args.edit or args.retry:
            return _send_again(args, kept, found)
        if args.discard:
            kept.take_out({rejected.id for rejected in found})
            print(f"{len(found)} lines were given up")
            return 0
        return _show(found, args)
    except (JobMeasureError, OSError) as error:
        print(f"otel-job-measure: {error}", file=sys.stderr)
        return 1


def _check(args: argparse.Namespace) -> None:
    if args.file is not None and not args.retry:
        args.parser.error("--from goes with --retry")
    if args.file is not None and args.ids:
        args.parser.error("--from says itself which lines it is about: leave the ids away")
    if args.discard and bool(args.ids) == args.all:
        args.parser.error("--discard takes the ids of the lines to give up, or --all")
    if args.all and not args.discard:
        args.parser.error("--all goes with --discard")


def _folder(state_dir: Path | None) -> Path:
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    if str(state_dir or variables.get(f"{names.ENV_PREFIX}STATE_DIR")) == MEMORY:
        raise StateDirError("with the state directory 'memory' refused lines are in the log, and nowhere else")
    return StateDir(Settings.from_env(variables, ship=False, state_dir=state_dir).state_path).rejected


def _chosen(found: list[Rejected], ids: Sequence[str]) -> list[Rejected]:
    if not ids:
        return found
    chosen: dict[str, Rejected] = {}
    for given in ids:
        meant = [rejected for rejected in found if rejected.id.startswith(given)]
        if len(meant) != 1:
            many = "several refused lines have ids that begin with" if meant else "no refused line has the id"
            raise StateDirError(f"{many} {given!r}")
        chosen[meant[0].id] = meant[0]
    return list(chosen.values())


def _show(found: Sequence[Rejected], args: argparse.Namespace) -> int:
    if args.json:
        for rejected in found:
            print(json.dumps(as_object(rejected)))
    elif args.lines:
        sys.stdout.buffer.write(mending.as_text(found))
        sys.stdout.flush()
    elif found:
        from otel_job_measure.cli.rejected_table import print_rejected  # noqa: PLC0415 - rich, only for people

        print_rejected([(rejected, job_of(rejected)) for rejected in found])
    else:
        print("The server has refused nothing that is still kept.", file=sys.stderr)
    return 0


def _send_again(args: argparse.Namespace, kept: RejectedLines, found: Sequence[Rejected]) -> int:
    # Loaded only now: it brings what delivers.
    from otel_job_measure.cli.retrying import Retry  # noqa: PLC0415 - as said

    retry = Retry(args.state_dir, kept)
    if args.edit:
        return retry.send(mending.edited(found), about={rejected.id for rejected in found})
    if args.file is not None:
        text = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
        return retry.send(mending.from_text(text), about={rejected.id for rejected in found})
    return retry.send_as_they_are(found)


def as_object(rejected: Rejected) -> dict[str, Any]:
    """Returns a refused line as programs get it.

    Args:
        rejected: The line.
    """
    return {
        "id": rejected.id,
        "refused": rejected.at,
        "job": job_of(rejected),
        "why": rejected.words,
        "line": rejected.line.decode(errors="backslashreplace"),
        "destination": rejected.destination,
    }


def job_of(rejected: Rejected) -> str | None:
    """Returns the job that a refused line is about; None where the line doesn't say.

    Args:
        rejected: The line.
    """
    try:
        return parse(rejected.line).tags.get(names.TAG_JOB)
    except LineProtocolError:
        return None
