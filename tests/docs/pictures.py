"""Draws the pictures at the top of the README, of the jobs of a small company: `python -m tests.docs.pictures`."""

import io
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from otel_job_measure.cli.jobs_table import rendered
from otel_job_measure.insight.history_store import HistoryStore
from tests.web.conftest import store_in
from tests.web.made import company
from tests.web.site import TOKEN, look_at, served

DOCS: Final = Path(__file__).parents[2] / "docs"
_FINE: Final = 6
_COLUMNS: Final = 132
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
    where.print(rendered(where, found, found.jobs, len(found.jobs)), crop=False)
    drawn = where.export_svg(title="otel-job-measure jobs", theme=DEFAULT_TERMINAL_THEME, unique_id="jobs")
    return _FONTS.sub("", drawn)  # a picture asks nothing of others


def page(folder: Path, browser: str) -> bytes:
    """Returns a picture of the page of all jobs, as PNG."""
    with served(lambda: look_at(store_in(folder, _Company))) as home, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        shown = chromium.new_context(viewport={"width": 1200, "height": 480}, color_scheme="light").new_page()
        shown.goto(f"{home}/?token={TOKEN}")
        shown.wait_for_selector("tbody th a")
        data = shown.screenshot()
        chromium.close()
    return data


def main() -> None:
    """Writes both into docs/."""
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("no Chromium: run `make servers` first")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "state")
        company(time.time_ns(), days=7, fine=_FINE).write(folder)
        (DOCS / "jobs.svg").write_text(terminal(folder), encoding="utf-8")
        (DOCS / "page.png").write_bytes(page(folder, browser))


if __name__ == "__main__":
    main()
