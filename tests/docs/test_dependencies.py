"""Decision 0004 has each run-time dependency, with its lowest version and a reason."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_requirement = re.compile(r"([A-Za-z0-9-]+)>=([0-9.]+)").match
_row = re.compile(r"\| ([a-z0-9-]+) \| ([0-9.]+) \| (\S.*\S) \|").fullmatch


def test_each_lowest_version_has_a_reason() -> None:
    """The table is that of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    required = [*project["dependencies"], *extras["otlp"], *extras["otlp-grpc"]]
    wanted = {(found[1], found[2]) for each in required if (found := _requirement(each))}
    page = (ROOT / "docs/decisions/0004-dependencies.md").read_text().splitlines()
    rows = {(found[1], found[2]) for line in page if (found := _row(line))}
    assert wanted <= rows
