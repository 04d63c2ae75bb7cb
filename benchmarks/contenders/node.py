"""The original's way, on Node, with the official client."""

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.influxd import binary_path

NODE: Final = "original's way (Node)"
_SOURCE: Final = Path(__file__).parents[1] / "node"


def has_node() -> bool:
    """Tells whether Node and npm are there."""
    return None not in (shutil.which("node"), shutil.which("npm"))


@functools.cache
def node_command() -> Sequence[str]:
    """Installs the client, beside the servers that the tests use, outside of the checkout.

    Returns:
        What starts the child on Node.
    """
    folder = binary_path(os.environ).parents[1] / "node"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(_SOURCE / "package.json", folder)
    if not (folder / "node_modules" / "@influxdata").is_dir():
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=True)
    return ["node", str(_SOURCE / "contender.cjs"), str(folder)]
