"""The libraries of peers, which only `make bench` installs."""

import importlib
from typing import Any


def library(name: str) -> Any:  # noqa: ANN401 - they are not there when types are checked
    """Imports a peer's library.

    Args:
        name: The module's full name.

    Returns:
        The module.

    Raises:
        RuntimeError: It is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RuntimeError(f"{name} is not installed: `make bench` installs it") from error
