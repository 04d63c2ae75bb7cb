"""`--env-file`: settings for commands that are started without an environment, as cron starts them."""

import argparse
import os
from pathlib import Path
from typing import Final

from otel_job_measure.cli.words import complain
from otel_job_measure.settings import parse_env_file

DEFAULT: Final = Path("/etc/otel-job-measure.env")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Gives a command the option.

    Args:
        parser: The command's.
    """
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        type=Path,
        help=f"lines KEY=VALUE, for what the environment leaves unset (default: {DEFAULT} if it is there)",
    )


def folder(text: str) -> Path:
    """Takes the state directory of a command line, where an empty one is most often a variable that was never set.

    Args:
        text: The word.

    Returns:
        The folder.

    Raises:
        ArgumentTypeError: It is empty.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; it takes the path of a state directory")
    return Path(text)


def load(path: Path | None, default: Path = DEFAULT) -> None:
    """Puts the variables of the file into the environment of this process; what is set there goes first.

    Args:
        path: The file that was asked for.
        default: The file that is read where none was asked for, if it is there. Where it is another user's, who
            keeps a token in it, that is said and no error.

    Raises:
        SettingsError: The file cannot be read, or a line of it is wrong.
    """
    if path is None and not _can_be_read(default):
        return
    for name, value in parse_env_file(path or default).items():
        if not os.environ.get(name):
            os.environ[name] = value


def _can_be_read(default: Path) -> bool:
    try:
        default.open("rb").close()
    except PermissionError:
        complain(f"{default} is passed over: this user may not read it")
        return False
    except OSError:
        return default.exists()  # whatever it is, its reader says what is wrong with it
    return True
