"""`otel-job-measure check`: what did not happen, as a plugin for Nagios and for people."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from otel_job_measure.cli import notifying, options
from otel_job_measure.errors import JobMeasureError
from otel_job_measure.printable import brief

if TYPE_CHECKING:
    from otel_job_measure.insight.check import Checked
    from otel_job_measure.insight.findings import Finding
    from otel_job_measure.insight.run_store import RunStore
    from otel_job_measure.insight.states import Judgement

_DESCRIPTION = """Tells the state of each job: what did not run, failed, hangs or takes too long. The first line and the
exit code are those of a plugin for Nagios: 0 ok, 1 warning, 2 critical, 3 unknown. Wrong options are 3 too."""
_UNKNOWN = 3
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_TIMEOUT_S = 10
_MOST_NAMED = 5
_MOST_DETAIL = 300


class _TooLateError(Exception):
    """The time is over."""


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
        default=_TIMEOUT_S,
        help=f"give up after this time, such as 30s (default: {_TIMEOUT_S}s)",
    )
    notifying.add_options(parser)
    parser.set_defaults(run=run, parser=parser)
    parser.error = _usage(parser)  # type: ignore[assignment, method-assign]


def run(args: argparse.Namespace) -> int:
    """Checks all jobs; every failure of the check itself is unknown."""
    began_s = time.monotonic()
    try:
        with _limited(args.timeout):
            found, tell = _checked(args)
    except _TooLateError:
        return _failed(f"no answer within {args.timeout:g} s; --timeout takes a longer time")
    except (JobMeasureError, OSError) as error:
        return _failed(options.in_one_line(error))
    except Exception as error:  # noqa: BLE001 - a plugin that fails is unknown, never a warning
        return _failed(f"{type(error).__name__}: {options.in_one_line(error)}")
    if args.json:
        print(options.json_line(as_object(found)))
    else:
        print(first_line(found, time.monotonic() - began_s))
        for line in lines(found, quiet=args.quiet):
            print(line)
    tell()
    return found.level()


def _checked(args: argparse.Namespace) -> "tuple[Checked, Callable[[], None]]":
    """Returns what was found, and what tells the targets of it."""
    targets = notifying.targets(args)
    # Loaded only now: they import SQLite.
    from otel_job_measure.insight.check import wanted_jobs  # noqa: PLC0415 - not for --help
    from otel_job_measure.insight.history_store import HistoryStore  # noqa: PLC0415 - not for --help
    from otel_job_measure.insight.look import look  # noqa: PLC0415 - not for --help

    wants = wanted_jobs(args.job, args.project, args.stage)
    asked = options.store_of(args)
    here = options.expected_here(args)
    found = look(
        asked.store,
        complete_until_ns=asked.complete_until_ns,
        folder=options.local_settings(args).state_path,
        wants=wants,
        here=here,
        remembers=True,
    )
    output = asked.store.output if isinstance(asked.store, HistoryStore) else _no_output
    _write(args, found, asked.store)
    if not targets and not args.ping:
        return found, lambda: None
    settings = options.local_settings(args)
    return found, lambda: notifying.tell(args, targets, settings, found, asked.store, output, wants)


def _no_output(_uuid: str) -> dict[str, bytes]:
    """Returns the kept output of a run in InfluxDB, which has none."""
    return {}


def _write(args: argparse.Namespace, found: "Checked", store: "RunStore") -> None:
    """Appends what is new to the journal; without the right to write there, nothing is written."""
    from otel_job_measure.insight.check_rows import new_rows  # noqa: PLC0415 - not for --help
    from otel_job_measure.points.monitor_rows import line_of  # noqa: PLC0415 - not for --help
    from otel_job_measure.runtime.appending import append  # noqa: PLC0415 - not for --help

    lines = b"".join(line_of(row) for row in new_rows(found, store))
    if lines:
        append(options.sending_settings(args), lines)


def first_line(found: "Checked", took_s: float) -> str:
    """Returns the line that Nagios shows, with performance data behind the bar."""
    counts = [sum(_level(found, each) == level for each in found.judgements) for level in range(4)]
    bad = sorted((each for each in found.judgements if _level(found, each)), key=lambda each: -_level(found, each) % 4)
    named = [f"{_name(each)} {each.state.name}" for each in bad]
    named = [f"{about.finding.name}{f' {about.host}' if about.host else ''}" for about in found.abouts] + named
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    count = len(found.judgements)
    what = f"{count} job{'' if count == 1 else 's'}" if count else "no jobs are known"
    says = f"{what}: {', '.join(named[:_MOST_NAMED])}{more}" if named else what
    words = ("ok", "warning", "critical", "unknown")
    data = " ".join(f"{word}={count};;;0" for word, count in zip(words, counts, strict=True))
    says = brief(says, _MOST_DETAIL).replace("|", "/")  # the bar separates what is measured
    return f"JOBS {_WORDS[found.level()]} - {says} | {data} time={took_s:.3f}s;;;0"


def lines(found: "Checked", *, quiet: bool) -> Iterable[str]:
    """Yields a line for each finding about a host, and for each finding of a job."""
    for about in found.abouts:
        yield _row(about.host or "the store", "", about.finding)
    for each in found.judgements:
        told = _listed(found, each)
        for finding in told:
            if finding.level or not quiet:
                yield _row(_name(each), each.host or "", finding)


def _listed(found: "Checked", each: "Judgement") -> Sequence["Finding"]:
    return found.told(each) or [finding for finding in each.findings if finding.is_behind][:1]


def _row(name: str, host: str, finding: "Finding") -> str:
    where = f" on {host}" if host else ""
    due = "" if finding.due_ns is None else f", due {_iso(finding.due_ns)}"
    detail = f": {finding.detail}" if finding.detail else ""
    word = _WORDS[finding.level]
    text = f"{word:8} {finding.name:11} {name}{where} since {_iso(finding.since_ns)}{due}{detail}"
    return brief(text, _MOST_DETAIL).replace("|", "/")


def as_object(found: "Checked") -> dict[str, Any]:
    """Returns the JSON object of `--json`; docs/monitor.md describes it."""
    return {
        "at": _iso(found.at_ns),
        "at_ns": found.at_ns,
        "level": found.level(),
        "status": _WORDS[found.level()].lower(),
        "hosts": [{"host": about.host, **_finding(about.finding)} for about in found.abouts],
        "jobs": [
            {
                "job": each.job.job,
                "project": each.job.project,
                "stage": each.job.stage,
                "host": each.host,
                **_finding(each.state),
                "findings": [_finding(finding) for finding in each.findings],
                "told": [finding.name for finding in found.told(each) if finding.level],
            }
            for each in found.judgements
        ],
    }


def _finding(finding: "Finding") -> dict[str, Any]:
    return {
        "state": finding.name,
        "level": finding.level,
        "since": _iso(finding.since_ns),
        "since_ns": finding.since_ns,
        "due": None if finding.due_ns is None else _iso(finding.due_ns),
        "due_ns": finding.due_ns,
        "uuid": finding.uuid,
        "detail": finding.detail,
    }


def _level(found: "Checked", each: "Judgement") -> int:
    levels = {finding.level for finding in _listed(found, each)}
    return next((level for level in (2, 3, 1) if level in levels), 0)


def _name(each: "Judgement") -> str:
    where = "/".join(part for part in (each.job.project, each.job.stage) if part)
    return f"{each.job.job} ({where})" if where else each.job.job


def _iso(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _failed(why: str) -> int:
    print(f"JOBS UNKNOWN - {brief(why, _MOST_DETAIL).replace('|', '/')}")
    return _UNKNOWN


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
        print(f"JOBS UNKNOWN - {brief(message, _MOST_DETAIL)}")
        parser.print_usage(sys.stderr)
        parser.exit(_UNKNOWN)
        raise SystemExit(_UNKNOWN)

    return error
