"""What the commands share: `--env-file`, `--state-dir`, and one line on stderr."""

import argparse
import json
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_job_measure import names
from otel_job_measure.errors import JobMeasureError, SettingsError, StateDirError
from otel_job_measure.journal.rights import Rights, owner_of
from otel_job_measure.journal.state_dir import StateDir
from otel_job_measure.points.text import clean_tag
from otel_job_measure.printable import brief, in_lines
from otel_job_measure.settings import Settings, parse_env_file
from otel_job_measure.settings.environment import take_from_file
from otel_job_measure.settings.parsers import MEMORY

if TYPE_CHECKING:
    from otel_job_measure.insight.run_store import RunStore

DEFAULT: Final = Path("/etc/otel-job-measure.env")
_STDERR = 2
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_is_ago = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([smhdw])").fullmatch
_LAST_NS = 2**63 - 1
_SHOWN = 80
_MOST_LINE = 4000
MOST_PATH: Final = 5000
"""The most characters of a path in a message."""
_STATE_DIR = f"{names.ENV_PREFIX}STATE_DIR"
URLS: Final = (names.ENV_INFLUXDB_URL, f"{names.ENV_PREFIX}{names.ENV_INFLUXDB_URL}")
_LOCAL = (
    *("HOME", "XDG_STATE_HOME", names.ENV_PROJECT, names.ENV_STAGE, _STATE_DIR),
    *(f"{names.ENV_PREFIX}{name}" for name in ("HISTORY", "RETENTION", "HEARTBEAT", "JOBS", "LINK", "TRACE_LINK")),
)
_OF_JOBS = {_STATE_DIR, names.ENV_SINK, *(f"{names.ENV_PREFIX}{name}" for name in ("SHIP", "HISTORY", "CONFIRM_START"))}
"""Variables that say nothing about the InfluxDB that is asked, and may contradict that this command sends nothing."""
HISTORY: Final = "history"
INFLUXDB: Final = "influxdb"


class Asked(NamedTuple):
    """A store, and what its answers lack."""

    store: "RunStore"
    lacks: str = ""
    """What is not in them, for people; empty if nothing is missing."""
    counts: bool = True
    """Whether all runs are counted in no time."""
    complete_until_ns: int | None = None
    """Up to when a history has all rows of its state directory, 0 if it lacks some; None if it is no history."""


def add_env_file(parser: argparse.ArgumentParser) -> None:
    """Adds `--env-file`, because cron starts commands without an environment."""
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        type=Path,
        help=f"lines KEY=VALUE for variables that the environment does not set (default: {DEFAULT}, if it exists)",
    )


def add_state_dir(parser: argparse.ArgumentParser, default: str = _STATE_DIR) -> None:
    """Adds `--env-file` and `--state-dir`."""
    add_env_file(parser)
    parser.add_argument("--state-dir", metavar="DIR", type=_folder, help=f"the state directory (default: {default})")


def add_from(parser: argparse.ArgumentParser) -> None:
    """Adds `--from`, for a command that asks about runs."""
    parser.add_argument(
        "--from",
        dest="source",
        choices=(HISTORY, INFLUXDB),
        help="which store answers: this machine's history, or InfluxDB (default: the history; InfluxDB if there is no "
        "history here and a server is configured)",
    )


def store_of(args: argparse.Namespace) -> Asked:
    """Returns the store that the command's questions go to; the history is brought up to date.

    Raises:
        SettingsError: A setting of the store is wrong.
        StateDirError: The state directory cannot be used.
        StoreError: The history cannot be used, or no InfluxDB is configured.
    """
    return source_of(args)()


def source_of(args: argparse.Namespace) -> Callable[[], Asked]:
    """Returns what opens the store, with all rows that there are then, as often as it is called.

    Raises:
        SettingsError: A setting of the store is wrong.
        StateDirError: The state directory cannot be used.
        StoreError: No InfluxDB is configured.
    """
    load_env_file(args.env_file)
    if args.source == INFLUXDB or (args.source is None and any(map(os.environ.get, URLS)) and not _is_here(args)):
        # Loaded only now: it imports an HTTP client.
        from otel_job_measure.insight.influxdb.store import InfluxStore  # noqa: PLC0415 - rarely needed

        asked = Asked(InfluxStore(Settings.from_env(variables_for_reading(), ship=False)), counts=False)
        return lambda: asked
    settings = local_settings(args)
    # Loaded only now: they import SQLite.
    from otel_job_measure.insight.history_store import opened  # noqa: PLC0415 - not for --help

    def up_to_date() -> Asked:
        complete_until_ns = time.time_ns()  # a history has all rows of before this, once it is up to date
        store, behind = opened(settings)
        size = f"{behind.points} points ({behind.bytes} bytes)"
        lacks = f"{size} are not in the list yet: {behind.why}" if behind.points else store.lost
        return Asked(store, lacks, complete_until_ns=0 if behind.points else complete_until_ns)

    return up_to_date


def variables_for_reading() -> dict[str, str]:
    """Returns the variables that say which InfluxDB is asked."""
    return {name: value for name, value in os.environ.items() if name not in _OF_JOBS}


def _is_here(args: argparse.Namespace) -> bool:
    """Returns whether runs of this machine are, or should be, in a history."""
    variables = {name: os.environ[name] for name in _LOCAL if name in os.environ}
    if str(args.state_dir or variables.get(_STATE_DIR)) == MEMORY:
        return False
    settings = Settings.from_env(variables, ship=False, state_dir=args.state_dir)
    if not settings.history:
        return False
    state = StateDir(settings.state_path)
    try:
        return any(folder.exists() for folder in (state.history, state.slots, state.ready))
    except OSError:
        return True  # the history will say what is wrong


def load_env_file(path: Path | None, default: Path = DEFAULT) -> None:
    """Sets the variables of a file that the environment does not set; raises `SettingsError` if it cannot be read.

    If the user named no file, the default one is read if it exists. If this user may not read that, because it holds
    another user's token, the command says so and goes on.
    """
    if path is None and not _can_be_read(default):
        return
    take_from_file(parse_env_file(path or default), str((path or default).absolute()))


def local_settings(args: argparse.Namespace) -> Settings:
    """Returns settings for a command that only reads the state directory: settings of a server may be wrong."""
    load_env_file(args.env_file)
    variables = {name: os.environ[name] for name in _LOCAL if name in os.environ}
    if str(args.state_dir or variables.get(_STATE_DIR)) == MEMORY:
        raise StateDirError(f"{_STATE_DIR} is 'memory': nothing is kept on disk, so there is nothing to show")
    return with_owners_rights(Settings.from_env(variables, ship=False, state_dir=args.state_dir))


def sending_settings(args: argparse.Namespace) -> Settings:
    """Returns settings for a command that appends rows for others to send; with wrong settings of a server, none is."""
    local = local_settings(args)
    try:
        settings = Settings.from_env(ship=False, confirm_start="off", state_dir=args.state_dir)
    except SettingsError:
        return local
    return with_owners_rights(settings)


def with_owners_rights(settings: Settings, before: Callable[[], None] = lambda: None) -> Settings:
    """Has this command go on with the rights of the state directory's owner, and returns the settings.

    Only a command of root in another user's state directory changes its rights; `before` loads what else it needs.
    """
    if not settings.in_memory and os.geteuid() == 0 and (owner := owner_of(settings.state_path)):
        from otel_job_measure.cli import preloaded  # noqa: PLC0415 - rarely needed

        preloaded.load(settings)
        before()
        try:
            Rights.of_user(owner).take()
        except OSError as error:
            raise StateDirError(
                f"the state directory {settings.state_path} ({_STATE_DIR}), or a folder or link on the way to it, "
                f"belongs to user {owner}, and this process cannot take that user's rights ({error.strerror}): run it "
                "as that user, or use a folder of root"
            ) from error
    return settings


def since_ns(text: str) -> int:
    """Returns a time in ns since 1970: one that is so long ago, or an ISO time."""
    ago = _is_ago(text)
    if ago is not None:
        return max(-_LAST_NS, time.time_ns() - int(float(ago[1]) * _UNITS_S[ago[2]] * 1e9))
    try:
        # Python reads the digits of every script.
        at = datetime.fromisoformat(text if text.isascii() else "")
        return max(-_LAST_NS, min(_LAST_NS, int(at.astimezone(UTC).timestamp() * 1e9)))
    except (ValueError, OverflowError):
        takes = "it takes 30m, 2h, 7d, 2w or an ISO time like 2026-11-24T03:00"
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a time; {takes}") from None


def since(text: str) -> str:
    """Returns the begin of a period as it was written, for a command that counts from it again and again."""
    if since_ns(text) > time.time_ns():
        raise argparse.ArgumentTypeError(f"{shown(text)} is in the future; it takes a time before now")
    return text


def period(text: str) -> str:
    """Returns a time that `since` took as it is said: `in the last 7d`, or `since` an ISO time."""
    return f"in the last {text}" if _is_ago(text) else f"since {text}"


def job_name(text: str) -> str:
    """Returns a job's name as its rows have it, because rows replace some characters."""
    return clean_tag(text) or names.UNNAMED


def count(least: int, most: int) -> Callable[[str], int]:
    """Returns what reads a number within bounds."""

    def read(text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a number from {least} to {most}")

    return read


def seconds(text: str, least: float = 0.1, most: float = 3600, takes: str = "0.1s to 1h, such as 30s") -> float:
    """Reads a time such as 30s, for argparse."""
    from otel_job_measure.expectations.durations import seconds_of  # noqa: PLC0415 - only if given

    found = seconds_of(text)
    if found is None or not least <= found <= most:
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a time; it takes {takes}")
    return found


def shown(text: str) -> str:
    """Returns a word of the command line as errors show it."""
    return f"{text!a}" if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}… ({len(text)} characters)"


def json_line(content: Mapping[str, object], *, sort: bool = False) -> str:
    """Returns JSON in one line, in which a terminal finds nothing to act on."""
    return json.dumps(content, sort_keys=sort).replace("\x7f", r"\u007f")


def complain(message: str) -> None:
    """Writes one line to stderr, behind the program's name; a closed stderr is no error."""
    with suppress(OSError):
        os.write(_STDERR, f"otel-job-measure: {brief(message, _MOST_LINE)}\n".encode())


def log_to_stderr() -> None:
    """Writes warnings to stderr, with escapes in place of what a terminal would act on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Formats a record."""
        return in_lines(super().format(record))


def reason(error: Exception) -> str:
    """Returns why something failed, in one line; of a failure that is not foreseen, its class too."""
    known = isinstance(error, (JobMeasureError, OSError))
    return in_one_line(error) if known else f"{type(error).__name__}: {in_one_line(error)}"


def in_one_line(error: BaseException) -> str:
    """Returns an error's message in one line; its class if it has none."""
    return "; ".join(str(error).split("\n")) or type(error).__name__


def _folder(text: str) -> Path:
    # An empty word is most often a variable of the shell that was never set.
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; it takes the path of a state directory")
    return Path(text)


def _can_be_read(default: Path) -> bool:
    try:
        default.open("rb").close()
    except PermissionError:
        complain(f"{default} is ignored: this user may not read it")
        return False
    except OSError:
        return default.exists()  # the parser says what is wrong with it
    return True
