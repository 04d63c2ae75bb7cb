"""The options of `check`, `ship --check` and `doctor --drill` that say who is told."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Adds `--notify`, `--secret-file` and `--ping`."""
    add_targets(parser)
    parser.add_argument("--ping", metavar="URL", help="get this URL after each full check, for another monitor")


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Adds `--notify` and `--secret-file`."""
    parser.add_argument(
        "--notify",
        metavar="URL",
        nargs="?",
        const="",
        action="append",
        default=[],
        help="tell the targets of jobs.toml what changed, and this one, if it is given: mailto:, smtp://, https:// "
        "(JSON by POST), exec:COMMAND, or any URL of Apprise; @FILE reads the URL from a file, so that the process "
        "list does not show it; you may repeat it",
    )
    parser.add_argument("--secret-file", metavar="FILE", type=Path, help="what JSON bodies are signed with")
