"""`otel-job-measure rejected`: lists, retries and discards the lines that the server refused."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from otel_job_measure import names
from otel_job_measure.cli import options
from otel_job_measure.errors import LineProtocolError, SettingsError, UsageError
from otel_job_measure.journal.dead_letters import DeadLetter, dead_letters, discard, put_into_ready, retry
from otel_job_measure.journal.interfaces import Identity
from otel_job_measure.journal.segment import destination_of
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.line_protocol import parse
from otel_job_measure.printable import printable
from otel_job_measure.runtime.assembly import identity_of
from otel_job_measure.runtime.history_reader import opened
from otel_job_measure.settings import Settings

_DESCRIPTION = """Lists the lines that InfluxDB, or an OTLP receiver, refused, oldest first, with the server's message.
The package keeps them until you retry or discard them. To correct lines: `rejected --lines > FILE`, edit FILE,
`rejected --retry --from FILE`."""
_from_file = re.compile(rb"# file (\S+) (\d+)").fullmatch


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "rejected", help="list, retry or discard the lines that the server refused", description=_DESCRIPTION
    )
    options.add_state_dir(parser)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--json", action="store_true", help="list them as JSON lines, for programs")
    action.add_argument("--lines", action="store_true", help="print them as line protocol, below the server's messages")
    action.add_argument("--retry", action="store_true", help="put them back in the queue, to be sent again")
    action.add_argument("--discard", action="store_true", help="delete them")
    parser.add_argument(
        "--from",
        dest="file",
        metavar="FILE",
        help="with --retry: queue the lines of FILE (-: stdin), which --lines printed, in place of the refused ones; "
        "lines that you removed from FILE are deleted",
    )
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    """Does what the options ask for."""
    if args.file is not None and not args.retry:
        args.parser.error("--from is only valid with --retry")
    if args.retry:
        return _retry(args)
    state = StateDir(options.local_settings(args).state_path)
    letters, sizes = dead_letters(state)
    if args.discard:
        print(f"{discard(state, sizes)} lines deleted")
    elif args.json:
        for letter in letters:
            print(options.json_line(_as_object(letter)))
    elif args.lines:
        _print_text(_as_text(letters, sizes))
    elif letters:
        from otel_job_measure.cli.table import print_dead_letters  # noqa: PLC0415 - rich, only for people

        print_dead_letters([(letter, _job_of(letter)) for letter in letters])
    else:
        print("No rejected lines.", file=sys.stderr)
    return 0


def _retry(args: argparse.Namespace) -> int:
    options.load_env_file(args.env_file)
    settings = Settings.from_env(state_dir=args.state_dir)
    # Read with the caller's rights: the owner of the state directory may be unable to.
    text = None if args.file is None else _text_of(args.file)
    settings = options.with_owners_rights(settings)
    if settings.destination is None:
        raise SettingsError(
            "there is no destination to send to: set INFLUXDB_URL, INFLUXDB_ORG and INFLUXDB_BUCKET, or "
            f"{names.ENV_SINK}=otlp"
        )
    state, identity = opened(settings), identity_of(settings)
    if text is None:
        count = retry(state, identity)
        others = len(dead_letters(state)[0])
        if others:
            print(f"{others} lines stay: another destination refused them", file=sys.stderr)
    else:
        count = _retry_from(state, identity, args.file, text)
    where = printable(settings.destination.label)
    print(f"{count} lines are queued for {where}; `otel-job-measure ship --once` sends them now")
    return 0


def _text_of(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def _retry_from(state: StateDir, identity: Identity, file: object, text: bytes) -> int:
    """Queues the lines of a text that `--lines` printed, then deletes the refused lines that they replace."""
    rows = [row.removesuffix(b"\r") for row in text.split(b"\n")]
    sizes = {found[1].decode(): int(found[2]) for row in rows if (found := _from_file(row))}
    foreign = sorted(name for name in sizes if destination_of(name) != identity.destination)
    if foreign:
        raise UsageError(
            f"{file} holds lines that another destination refused: remove the part below `# file {foreign[0]} …`"
        )
    lines = [row for row in rows if row.strip() and not row.startswith(b"#")]
    if lines:
        put_into_ready(state, identity, b"".join(line + b"\n" for line in lines))
    discard(state, sizes)
    return len(lines)


def _print_text(text: bytes) -> None:
    """Prints lines as they are, for a file; a terminal gets escapes in place of what it would act on."""
    sys.stdout.flush()
    if sys.stdout.isatty():
        text = b"\n".join(printable(line.decode(errors="replace")).encode() for line in text.split(b"\n"))
    sys.stdout.buffer.write(text)


def _as_text(letters: Sequence[DeadLetter], sizes: dict[str, int]) -> bytes:
    """Returns lines below their messages; each file's part says how much of the file it covers."""
    parts: list[bytes] = []
    for name, size in sizes.items():
        parts.append(b"# file %s %d\n" % (name.encode(), size))
        parts += [
            b"# %s %s\n%s\n" % ((one.refused_at or "").encode(), one.message.encode(), one.line)
            for one in letters
            if one.file == name
        ]
    return b"".join(parts)


def _as_object(letter: DeadLetter) -> dict[str, str | None]:
    return {
        "refused": letter.refused_at,
        "job": _job_of(letter),
        "message": letter.message,
        "line": letter.line.decode(errors="backslashreplace"),
        "destination": letter.destination,
    }


def _job_of(letter: DeadLetter) -> str | None:
    """Returns the job of a refused line; None if the line cannot be parsed."""
    try:
        return parse(letter.line).tags.get(names.TAG_JOB)
    except LineProtocolError:
        return None
