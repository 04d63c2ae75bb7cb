"""The pages in a real Chromium: clicked through, with axe, and with every request counted."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page

from otel_job_measure.errors import StoreError
from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.history.run_record import RunRecord
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.insight.report import page as report_page
from otel_job_measure.insight.report.report import report
from otel_job_measure.insight.run_store import Wanted
from otel_job_measure.journal.kept_output import KeptOutput, encode
from otel_job_measure.web.look import Look
from tests.web.browsing import is_fine, opened, violations
from tests.web.conftest import NEEDS_CHROMIUM, store_in
from tests.web.made import NS, Made
from tests.web.site import TOKEN, WEEK_NS, look_at, no_store, served

LOOKS: Final[tuple[tuple[Any, int], ...]] = (("light", 1400), ("dark", 360))
CHANGING: Final = """
Math.random = () => 0;  // at once
window.EventSource = class extends EventTarget {
  constructor() {
    super();
    let number = 0;
    setInterval(() => this.dispatchEvent(new MessageEvent("changed", { data: String(number++) })), 15);
  }
  close() {}
};
"""
"""A store that changes all the time."""
pytestmark = NEEDS_CHROMIUM


def is_there(page: Page) -> None:
    """A page is shown."""
    page.wait_for_selector("h1")


def click_through(page: Page, url: str, is_seen: Callable[[Page], None]) -> None:
    """From the token to a run, and back."""
    page.goto(url)
    is_seen(page)  # the page that asks for the token
    page.goto(f"{url}/?token={TOKEN}")
    assert page.url == f"{url}/"
    is_seen(page)
    page.fill("#q", "invoice")
    page.click("form.filter button")
    page.wait_for_url("**/?q=invoice**")
    page.click("tbody th a")
    page.wait_for_url("**/job?**")
    assert page.inner_text("h1") == "invoice-export"
    is_seen(page)
    page.click(".runs tbody a")
    page.wait_for_url("**/run?**")
    assert "refused the connection" in page.inner_text("main")
    is_seen(page)
    page.go_back()
    assert page.inner_text("h1") == "invoice-export"
    page.click(".up a")
    page.wait_for_url(f"{url}/")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_pages_are_clicked_through(company: HistoryStore, browser: Browser, scheme: Any, width: int) -> None:  # noqa: ANN401 - a word of the library
    """Nothing is wrong for axe, nothing is wider than the screen, and nothing is asked of others."""
    found = look_at(company)
    with (
        served(lambda: found) as url,
        opened(browser, url, viewport={"width": width, "height": 900}, color_scheme=scheme) as page,
    ):
        click_through(page, url, is_fine)


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_state_of_the_pages_is_fine(company: HistoryStore, browser: Browser, scheme: Any, width: int) -> None:  # noqa: ANN401 - a word of the library
    """Axe finds nothing in what a page says if there is nothing, if nothing fits, or if the store is away."""
    found = look_at(company)
    none = replace(found, overview=replace(found.overview, jobs=()), lacks="the history was damaged")
    looks: list[Callable[[], Look]] = [lambda: found, lambda: none, no_store]
    export = "/job?job=invoice-export&project=billing&stage=production"
    paths = (
        f"{export}&q=Connection",
        f"{export}&span=30d",
        "/?q=nothing",
        "/job?job=nothing",
        "/run?uuid=nothing",
        "/a/b",
    )
    how: dict[str, Any] = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    for look in looks:
        with served(look) as url, opened(browser, url, **how) as page:
            page.goto(f"{url}/a/?token=wrong")
            is_fine(page)
            page.goto(f"{url}/?token={TOKEN}")
            is_fine(page)
            for path in paths if look is looks[0] else paths[:1]:
                page.goto(f"{url}{path}")
                is_fine(page)


@pytest.mark.parametrize(
    ("changes", "width", "least"),
    [(False, 1280, 30), (True, 1280, 30), (False, 320, 25)],
    ids=["at rest", "while it changes", "at 400 %, without the table's head"],
)
def test_a_keyboard_is_enough(
    company: HistoryStore,
    browser: Browser,
    *,
    changes: bool,
    width: int,
    least: int,
) -> None:
    """The first key leads past the head; what has the focus is seen, also if the page was replaced under it."""
    found = look_at(company)
    with served(lambda: found) as url, opened(browser, url, viewport={"width": width, "height": 800}) as page:
        if changes:
            page.add_init_script(CHANGING)
        page.goto(f"{url}/?token={TOKEN}")
        page.wait_for_selector("tbody th a")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        page.keyboard.press("Enter")
        ways = page.locator("main :is(a, button, input, select, summary):visible").count()
        assert ways > least
        for _ in range(ways):
            page.keyboard.press("Tab")
            style = "getComputedStyle(document.activeElement)"
            assert page.evaluate(f"{style}.outlineStyle") == "solid"
            size = page.evaluate("document.activeElement.getBoundingClientRect().height")
            clipped = "document.activeElement.closest('thead')?.getBoundingClientRect().height < 2"
            assert size > 10
            assert not page.evaluate(clipped)
            assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_no_script_is_needed(company: HistoryStore, browser: Browser) -> None:
    """The same way leads through the pages with JavaScript off."""
    found = look_at(company)
    with served(lambda: found) as url, opened(browser, url, java_script_enabled=False) as page:
        click_through(page, url, is_there)


def test_a_link_of_another_site_leads_to_the_page(company: HistoryStore, browser: Browser) -> None:
    """The URL with the token may be clicked in a terminal that is a page itself, and a run's address in a chat."""
    found = look_at(company)
    with served(lambda: found) as home, opened(browser, home) as page:
        for address in (f"{home}/?token={TOKEN}", f"{home}/job?job=nightly-backup%26project=ops%26stage=production"):
            page.goto(f'data:text/html,<a href="{address}">the page</a>')
            page.click("a")
            page.wait_for_url(f"{home}/**")
            assert "nightly-backup" in page.inner_text("main")
        assert page.inner_text("h1") == "nightly-backup"


def test_paper_is_light(company: HistoryStore, browser: Browser) -> None:
    """A browser prints no backgrounds, so that the letters of the dark page would not be seen."""
    with served(lambda: look_at(company)) as home, opened(browser, home, color_scheme="dark") as page:
        page.goto(f"{home}/?token={TOKEN}")
        color = "getComputedStyle(document.body).color"
        assert page.evaluate(color) == "rgb(231, 232, 234)"
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(color) == "rgb(28, 29, 31)"


def test_the_output_of_a_run_begins_at_its_end(tmp_path: Path, browser: Browser) -> None:
    """The last line says why; what is before it is reached by scrolling, and tabs are spaces."""
    made = Made(time.time_ns())
    uuid = made.run(JobId("back-up"), 60, 2.0, "exit")
    lines = "".join(f"copied {number}\n" for number in range(200))
    made.lines.append(encode(KeptOutput(uuid, made.at(60) + 2 * NS, "stderr", f"{lines}no\tspace left\n".encode())))
    made.write(tmp_path / "state")
    store = store_in(tmp_path / "state")
    with served(lambda: look_at(store)) as home, opened(browser, home, java_script_enabled=False) as page:
        page.goto(f"{home}/?token={TOKEN}")
        page.goto(f"{home}/run?uuid={uuid}")
        box = page.get_by_role("region", name="The end of stderr").bounding_box()
        text = page.locator(".tail pre").bounding_box()
        assert box is not None
        assert text is not None
        assert text["height"] > 2 * box["height"]
        assert abs(text["y"] + text["height"] - box["y"] - box["height"]) < 2
        assert page.locator(".tail pre").inner_text().endswith("copied 199\nno      space left\n")


def test_an_open_page_follows_the_store(company: HistoryStore, browser: Browser) -> None:
    """A browser hears that the store is away, keeps what was known, and hears that the store is back."""
    found: list[Look | None] = [look_at(company)]

    def each_look() -> Look:
        return found[0] or no_store()

    with served(each_look) as url, opened(browser, url) as page:
        page.goto(f"{url}/?token={TOKEN}")
        assert page.locator(".banner").count() == 0
        found[0] = None
        page.wait_for_selector(".banner")
        assert "InfluxDB at influx.example does not answer" in page.inner_text(".banner")
        assert "nightly-backup" in page.inner_text("main")
        is_fine(page)
        found[0] = look_at(company)
        page.wait_for_selector(".banner", state="detached")


def test_an_open_page_finds_a_server_that_was_started_anew(company: HistoryStore, browser: Browser) -> None:
    """It says that it is not live, and follows the next server of the same address without being touched."""
    found = look_at(company)
    with ExitStack() as first:
        url = first.enter_context(served(lambda: found))
        with opened(browser, url) as page:
            page.goto(f"{url}/?token={TOKEN}")
            page.wait_for_selector("text=· live")
            first.close()
            page.wait_for_selector("text=not live: the server does not answer")
            assert "nightly-backup" in page.inner_text("main")
            with served(lambda: replace(found, lacks="rows of web-2"), int(url.rpartition(":")[2])):
                page.wait_for_selector("text=rows of web-2")
                assert "· live" in page.inner_text("footer")


def test_a_page_keeps_what_it_shows_while_the_store_is_away(
    company: HistoryStore, company_dir: Path, browser: Browser
) -> None:
    """The page of a job that is open gets the reason above it, and is not replaced by it."""

    class Away(HistoryStore):
        def latest(self, wanted: Wanted, limit: int) -> list[RunRecord]:
            raise StoreError("InfluxDB at influx.example does not answer")

    found = look_at(company)
    away = replace(found, store=store_in(company_dir, Away), lacks="rows of web-2")
    shown = [found]
    with served(lambda: shown[0]) as url, opened(browser, url) as page:
        page.goto(f"{url}/job?job=invoice-export&project=billing&stage=production&token={TOKEN}")
        page.wait_for_selector(".runs tbody tr")
        shown[0] = away
        page.wait_for_selector(".banner")
        assert "InfluxDB at influx.example does not answer" in page.inner_text(".banner")
        assert page.inner_text("h1") == "invoice-export"
        assert page.locator(".runs tbody tr").count() > 10
        is_fine(page)
        shown[0] = found
        page.wait_for_selector(".banner", state="detached")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_a_report_is_fine_too(
    company: HistoryStore, browser: Browser, tmp_path: Path, scheme: Any, width: int  # noqa: ANN401 - a word of the library
) -> None:  # fmt: skip
    """The file asks for nothing at all, and axe finds nothing in it."""
    file = tmp_path / "report.html"
    found = report(company, look_at(company).found, since_ns=time.time_ns() - WEEK_NS)
    file.write_text(report_page.html(found), encoding="utf-8")
    home = file.as_uri()
    with opened(browser, home, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        page.goto(home)
        assert "invoice-export" in page.inner_text("main")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
