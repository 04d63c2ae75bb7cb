"""Processes that coverage leaves alone: its own imports, locks and files would be taken for ours."""

import os


def uncovered() -> dict[str, str]:
    """Returns the environment without what makes coverage follow a child."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
