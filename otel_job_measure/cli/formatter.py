"""How the help is laid out."""

import argparse
import contextlib
import os

_COLUMNS = 80


class Formatter(argparse.HelpFormatter):
    """Finds out itself how wide the terminal is.

    argparse makes one of these for each argument that it gets to know, and loads for that question what packs files.

    Args:
        prog: The program's name.
    """

    def __init__(self, prog: str) -> None:
        columns = 0
        with contextlib.suppress(OSError):
            columns = os.get_terminal_size().columns  # 0 where a terminal does not tell
        super().__init__(prog, width=(columns or _COLUMNS) - 2)
