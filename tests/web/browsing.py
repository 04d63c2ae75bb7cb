"""Pages in a real Chromium."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final

from playwright.sync_api import Browser, Page

AXE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@contextmanager
def opened(browser: Browser, home: str, **how: Any) -> Generator[Page]:  # noqa: ANN401 - of `new_context`
    """An empty page of a new profile; at the end, it has asked nothing of others and has not complained."""
    asked: list[str] = []
    complaints: list[str] = []
    context = browser.new_context(**how)
    page = context.new_page()
    page.set_default_timeout(100_000)  # the machine may be busy
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    yield page
    context.close()
    assert [each for each in asked if not each.startswith((home, "data:"))] == []
    assert [
        each
        for each in complaints
        if not re.search("status of (401|403|404|503)|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED", each)
    ] == []  # what the page says there is looked at


def violations(page: Page) -> list[tuple[str, Any]]:
    """Returns what axe finds, with the table behind each picture open."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found]


def is_fine(page: Page) -> None:
    """A page has no fault that axe knows, and is not wider than the screen."""
    page.wait_for_selector("h1")
    assert violations(page) == []
    size = page.viewport_size
    assert size is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
