"""How the help is laid out."""

import argparse
import os

_COLUMNS = 80


class Formatter(argparse.HelpFormatter):
    """Finds out itself how wide the terminal is.

    argparse makes one of these for each argument that it gets to know, and loads for that question what packs files.

    Args:
        prog: The program's name.
    """

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except OSError:
            columns = _COLUMNS
        super().__init__(prog, width=columns - 2)
