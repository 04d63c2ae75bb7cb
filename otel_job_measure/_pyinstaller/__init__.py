"""Tells PyInstaller what the package needs (entry point `pyinstaller40`). Nothing else imports this folder."""

from pathlib import Path


def hook_folders() -> list[str]:
    """Returns the folders with hooks for PyInstaller."""
    return [str(Path(__file__).parent)]
