"""Which modules a program loads, and as many empty ones: what files cost that have no line in them."""

import compileall
import json
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.interleaved import ROOT

_OURS: Final = "otel_job_measure"
_EMPTY: Final = "of_nothing"
_TELL: Final = "import json, sys; found = list(sys.modules); print(json.dumps(found))"


def loaded(code: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Runs a program, and returns the names of the modules that it has at its end.

    Args:
        code: The program.
        variables: Its environment.
    """
    told = f"{code}\n{_TELL}"
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=True
    )
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def pythons_own(modules: Iterable[str], *, without: Collection[str]) -> list[str]:
    """Returns those of the standard library.

    Args:
        modules: Names of all that were loaded.
        without: Names of those that are loaded anyway.
    """
    return [name for name in modules if name not in without and name.partition(".")[0] in sys.stdlib_module_names]


def of_ours(modules: Iterable[str]) -> list[str]:
    """Returns those of this package."""
    return [name for name in modules if name.partition(".")[0] == _OURS]


def emptied(modules: Sequence[str], folder: Path) -> list[str]:
    """Makes an empty module for each of ours, in the same tree of packages, compiled as ours are.

    Args:
        modules: Names of ours.
        folder: Where the tree is made; it must be on the importing process's path.

    Returns:
        Their names.
    """
    names = [_EMPTY + name.removeprefix(_OURS) for name in modules]
    packages = {name.rpartition(".")[0] for name in names} | {_EMPTY}
    for name in names:
        path = folder.joinpath(*name.split("."))
        file = path / "__init__.py" if name in packages else path.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    compileall.compile_dir(folder, quiet=1)
    return names
