"""Runs `exec` with one fault inside: `python -m tests.support.faults KIND WHERE EXCEPTION -- WORDS`.

It runs `__main__.py` as a script, as the launcher does.

Args:
    KIND: `import` raises if a module is imported, `call` raises if a function is called for the first time, and `list`
        raises nothing, but writes every module and function of the run as JSON into the file WHERE.
    WHERE: The name of the module, or the function as FILE:LINE:NAME.
    EXCEPTION: The name of a builtin exception.
"""

import builtins
import json
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = f"{Path(__file__).parents[2] / 'otel_job_measure'}/"


def name_of(frame: FrameType) -> str | None:
    """Returns the name of a function of the package."""
    code = frame.f_code
    if not code.co_filename.startswith(PACKAGE) or code.co_name.startswith("<"):
        return None
    return f"{code.co_filename.removeprefix(PACKAGE)}:{code.co_firstlineno}:{code.co_name}"


class Importing:
    """A finder that fails for one module."""

    def __init__(self, where: str, error: type[BaseException]) -> None:
        self._where = where
        self._error = error

    def find_spec(self, name: str, *_: object) -> None:
        """Raises for the module."""
        if name == self._where:
            raise self._error


def main() -> None:
    """Runs `exec`."""
    kind, where, exception, _, *words = sys.argv[1:]
    error: type[BaseException] = getattr(builtins, exception)
    called: list[str] = []
    program = compile(Path(f"{PACKAGE}__main__.py").read_text(), f"{PACKAGE}__main__.py", "exec")
    before = set(sys.modules)

    def trace(frame: FrameType, event: str, arg: object) -> None:
        name = name_of(frame)
        if name is None:
            return
        if kind == "list":
            called.append(name)
        elif name == where:
            sys.settrace(None)
            threading.settrace(None)
            raise error

    if kind == "import":
        sys.meta_path.insert(0, Importing(where, error))
    else:
        threading.settrace(trace)
        sys.settrace(trace)
    sys.argv = ["otel-job-measure", *words]
    if kind == "list":
        names: dict[str, Any] = {"__name__": "listed", "__file__": f"{PACKAGE}__main__.py"}
        exec(program, names)  # noqa: S102 - as Python runs a script
        code = names["start"](words)
        sys.settrace(None)
        Path(where).write_text(json.dumps([[*dict.fromkeys(called)], sorted(set(sys.modules) - before), code]))
    else:
        exec(program, {"__name__": "__main__", "__file__": f"{PACKAGE}__main__.py"})  # noqa: S102 - as Python runs a script


if __name__ == "__main__":
    main()
