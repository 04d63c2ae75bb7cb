import subprocess
import sys
from pathlib import Path

from benchmarks.interleaved import environment
from benchmarks.modules import emptied, loaded, of_ours, pythons_own


def test_a_program_tells_what_it_has_loaded(tmp_path: Path) -> None:
    """Modules of Python's own are told from those of the package, and from those that are there anyway."""
    variables = environment(tmp_path)
    bare = loaded("pass", variables)
    found = loaded("import json.tool, otel_job_measure.names; print('a line of its own')", variables)
    assert "json.tool" in pythons_own(found, without=bare)
    assert "sys" not in pythons_own(found, without=bare)
    assert {"otel_job_measure", "otel_job_measure.names"} <= set(of_ours(found))


def test_empty_modules_stand_in_the_same_tree(tmp_path: Path) -> None:
    """Each has its name, a file without a line, and its compiled form; all of them can be imported."""
    names = emptied(["otel_job_measure.names", "otel_job_measure", "otel_job_measure.spans.run"], tmp_path)
    assert len(names) == 3
    files = list(tmp_path.rglob("*.py"))
    assert {file.stat().st_size for file in files} == {0}
    assert len(list(tmp_path.rglob("*.pyc"))) == len(files)
    subprocess.run([sys.executable, "-c", f"import {', '.join(names)}"], env={"PYTHONPATH": str(tmp_path)}, check=True)
