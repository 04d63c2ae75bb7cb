"""`otel-job-measure runs`: the latest runs of the history."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_job_measure import names
from otel_job_measure.cli import env_file
from otel_job_measure.errors import HistoryError, JobMeasureError
from otel_job_measure.history.queries import WORDS, RunRecord
from otel_job_measure.points.text import clean_tag
from otel_job_measure.settings import Settings
from otel_job_measure.settings.parsers import MEMORY

if TYPE_CHECKING:
    from otel_job_measure.runtime.history_reader import UpToDate

# What InfluxDB needs may be wrong or missing: nothing of it is asked here.
_VARIABLES = (
    "HOME",
    "XDG_STATE_HOME",
    *(f"{names.ENV_PREFIX}{name}" for name in ("HISTORY", "RETENTION", "STATE_DIR")),
)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_is_ago = re.compile(r"(\d+(?:\.\d+)?)([smhdw])").fullmatch
_LIMIT = 20
_MOST = 10**9
_LAST_NS = 2**63 - 1


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:  # pyright: ignore[reportPrivateUsage] - its only name
    """Adds the command to the command line.

    Args:
        commands: What `add_subparsers` gave.
    """
    parser = commands.add_parser(
        "runs", help="list the latest runs", description="Lists the latest runs, newest first."
    )
    env_file.add_option(parser)
    parser.add_argument(
        "--state-dir", metavar="DIR", type=env_file.folder, help="the state directory (default: the setting)"
    )
    parser.add_argument("--job", metavar="NAME", type=_job, help="only runs of this job")
    parser.add_argument(
        "--status",
        metavar="STATUS",
        choices=WORDS,
        action="append",
        default=[],
        help=f"only runs that are {', '.join(WORDS)}; more than one may be asked for",
    )
    parser.add_argument(
        "--since", metavar="TIME", type=_since_ns, help="only runs that began since, as 30m, 2h, 7d or an ISO time"
    )
    parser.add_argument("--limit", metavar="N", type=_limit, default=_LIMIT, help=f"how many at most ({_LIMIT})")
    parser.add_argument("--json", action="store_true", help="JSON lines, for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Lists runs.

    Args:
        args: What `add_parser` has set up.

    Returns:
        0; 1 where the history cannot be read.
    """
    try:
        env_file.load(args.env_file)
        settings = _settings(args.state_dir)
        # Loaded only now: it brings SQLite.
        from otel_job_measure.runtime.history_reader import up_to_date  # noqa: PLC0415 - as said

        found = up_to_date(settings)
        runs = found.history.latest(job=args.job, words=args.status, since_ns=args.since, limit=args.limit)
    except (JobMeasureError, OSError) as error:
        print(f"otel-job-measure: {error}", file=sys.stderr)
        return 1
    exit_code = _show(runs, as_json=args.json, nothing=_nothing(args, settings.state_path))
    _say_what_is_missing(found)
    return exit_code


def as_object(run: RunRecord) -> dict[str, Any]:
    """Returns a run as programs get it: times in ISO 8601, UTC, and in ns since 1970.

    Args:
        run: The run.
    """
    return {
        "job": run.job,
        "uuid": run.uuid,
        "status": run.status,
        "reason": run.reason,
        "started": _iso(run.started_ns),
        "started_ns": run.started_ns,
        "ended": _iso(run.ended_ns),
        "ended_ns": run.ended_ns,
        "duration_s": run.duration_s,
        "datacenter": run.datacenter,
        "project": run.project,
        "stage": run.stage,
        "tags": dict(run.tags),
        "host": run.host,
        "trace_id": run.trace_id,
        "span_id": run.span_id,
        "error_type": run.error_type,
        "error_message": run.error_message,
    }


def _settings(state_dir: Path | None) -> Settings:
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    if str(state_dir or variables.get(f"{names.ENV_PREFIX}STATE_DIR")) == MEMORY:
        raise HistoryError("with the state directory 'memory' nothing is kept: there is nothing to list")
    settings = Settings.from_env(variables, ship=False, state_dir=state_dir)
    if not settings.history:
        raise HistoryError(f"the history is turned off ({names.ENV_PREFIX}HISTORY): there is nothing to list")
    return settings


def _show(runs: Sequence[RunRecord], *, as_json: bool, nothing: str) -> int:
    """Prints what was found; returns the exit code."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - closed by whoever started us
        return 0
    try:
        _print(runs, as_json=as_json, nothing=nothing)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        _print_no_more()
    except OSError as error:
        _print_no_more()
        print(f"otel-job-measure: the runs cannot be printed: {error}", file=sys.stderr)
        return 1
    return 0


def _print_no_more() -> None:
    # What is still in the buffer would fail once more when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print(runs: Sequence[RunRecord], *, as_json: bool, nothing: str) -> None:
    if as_json:
        for found in runs:
            print(json.dumps(as_object(found)))
    elif runs:
        from otel_job_measure.cli.table import print_runs  # noqa: PLC0415 - rich, only for people

        print_runs(runs)
    else:
        print(nothing, file=sys.stderr)


def _nothing(args: argparse.Namespace, where: Path) -> str:
    if args.job or args.status or args.since is not None:
        return f"No run in {where} is like that; without --job, --status and --since all are listed."
    return f"No runs are known in {where} yet: measure a job, or make some with `otel-job-measure demo`."


def _say_what_is_missing(found: "UpToDate") -> None:
    behind = found.behind
    if behind.points:
        print(f"{behind.points} points are not in yet ({behind.bytes} bytes): {behind.why}", file=sys.stderr)


def _iso(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    whole, ns = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09}Z"


def _job(text: str) -> str:
    """Returns a job's name as its rows have it, which is not always as the job had it."""
    return clean_tag(text) or names.UNNAMED


def _since_ns(text: str) -> int:
    ago = _is_ago(text)
    if ago is not None:
        return max(-_LAST_NS, time.time_ns() - int(float(ago[1]) * _UNITS_S[ago[2]] * 1e9))
    try:
        return min(_LAST_NS, int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1e9))
    except (ValueError, OverflowError):
        message = f"{text!r} is no time: it takes 30m, 2h, 7d, 2w or an ISO time as 2026-11-24T03:00"
        raise argparse.ArgumentTypeError(message) from None


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:20]) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST}")
    return int(text)
