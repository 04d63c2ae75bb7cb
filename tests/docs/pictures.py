"""Draws the pictures at the top of the README, of the jobs of a small company: `python -m tests.docs.pictures`."""

import io
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.sync_api import ViewportSize, sync_playwright
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from otel_job_measure.cli.jobs_table import rendered
from otel_job_measure.insight.history_store import HistoryStore
from tests.web.conftest import store_in
from tests.web.made import company
from tests.web.site import TOKEN, look_at, served

DOCS: Final = Path(__file__).parents[2] / "docs"
_FINE: Final = 6
_COLUMNS: Final = 144
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class _Company(HistoryStore):
    """The history of the company, under the name that a service has for it."""

    @property
    def label(self) -> str:
        """What people read: where the answers come from."""
        return "the history /var/lib/otel-job-measure/history.db"


def terminal(folder: Path) -> str:
    """Returns what `jobs` shows of a state directory, as SVG."""
    found = look_at(store_in(folder, _Company)).overview
    where = Console(
        file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
        force_terminal=True,
        color_system="truecolor",
        width=_COLUMNS,
        record=True,
        highlight=False,
    )
    where.print(*rendered(where, found, found.jobs, len(found.jobs)), crop=False)
    drawn = where.export_svg(title="otel-job-measure jobs", theme=DEFAULT_TERMINAL_THEME, unique_id="jobs")
    return _FONTS.sub("", drawn)  # a picture asks nothing of others


Scheme = Literal["light", "dark"]


class Shot(NamedTuple):
    """A part of the page."""

    name: str
    path: str
    scheme: Scheme
    height: int


_BACKUP: Final = "/job?job=nightly-backup&project=ops&stage=production&span=30d"
_SCHEMES: Final[tuple[tuple[Scheme, str], ...]] = (("light", ""), ("dark", "-dark"))
SHOTS: Final = tuple(
    Shot(f"{name}{end}.png", path, scheme, height)
    for scheme, end in _SCHEMES
    for name, path, height in (("page", "/", 760), ("job", _BACKUP, 640))
)


def pages(folder: Path, browser: str) -> Iterator[tuple[str, bytes]]:
    """Yields pictures of the page as PNG, each with its name."""
    with served(lambda: look_at(store_in(folder, _Company))) as home, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        for name, path, scheme, height in SHOTS:
            view: ViewportSize = {"width": 1200, "height": height}
            shown = chromium.new_context(viewport=view, color_scheme=scheme).new_page()
            shown.goto(f"{home}/?token={TOKEN}")
            shown.goto(f"{home}{path}")
            shown.wait_for_selector(".jobs, .runs")
            yield name, shown.screenshot()
        chromium.close()


def main() -> None:
    """Writes them into docs/."""
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("no Chromium: run `make servers` first")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "state")
        company(time.time_ns(), days=7, fine=_FINE).write(folder)
        (DOCS / "jobs.svg").write_text(terminal(folder), encoding="utf-8")
        for shot, data in pages(folder, browser):
            (DOCS / shot).write_bytes(data)


if __name__ == "__main__":
    main()
