"""The paths that the pages name exist, so that no page explains a module that is gone."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "otel_job_measure"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "collector").rglob("*.md"))]
DRAWING = ROOT / "docs" / "one-way.svg"
_fenced = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)
_quoted = re.compile(r"`([^`\n]+)`")
_path = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
_FOLDERS = {entry.name for place in (ROOT, PACKAGE) for entry in place.iterdir() if entry.is_dir()}


def is_path(text: str) -> bool:
    """Says whether a text in backticks names a file or folder of the project."""
    if not _path.fullmatch(text):
        return False
    return text.endswith(".py") or ("/" in text and text.partition("/")[0] in _FOLDERS)


def exists(text: str, page: Path = ROOT / "README.md") -> bool:
    """Says whether a path exists: from the root, in the package, or beside the page."""
    return any((place / text).exists() for place in (ROOT, PACKAGE, page.parent))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_paths_on_a_page_exist(page: Path) -> None:
    """Files and folders in backticks; what only looks like one (`slots/NNN/`) begins with no folder of the project."""
    prose = _fenced.sub("", page.read_text(encoding="utf-8"))
    assert [text for text in _quoted.findall(prose) if is_path(text) and not exists(text, page)] == []


def test_the_folders_of_the_drawing_exist() -> None:
    """Each box of the drawing names its folder, as the text beside it does."""
    boxes = [node.text or "" for node in ET.parse(DRAWING).iter() if node.get("class") == "f"]  # noqa: S314 - our own
    folders = [folder for text in boxes for folder in text.split()]
    assert len(folders) > 8
    assert [folder for folder in folders if not (PACKAGE / folder).is_dir()] == []
    text = (ROOT / "docs" / "development.md").read_text(encoding="utf-8").partition("```text\n")[2].partition("```")[0]
    assert set(folders) <= set(re.findall(r"[\w/]+/(?=\s)", text))


def test_this_can_fail() -> None:
    """A module that never was is found, and so is one that has moved."""
    assert is_path("journal/never_was.py")
    assert not exists("journal/never_was.py")
    assert not is_path("slots/NNN/")
