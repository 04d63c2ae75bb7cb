"""Names, errors and hosts that are long or odd, in a real Chromium."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from otel_job_measure.expectations.expectation import JobId
from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.printable import printable
from tests.web.browsing import is_fine, opened
from tests.web.conftest import NEEDS_CHROMIUM, store_in
from tests.web.made import ODD, Made
from tests.web.site import TOKEN, look_at, served

pytestmark = NEEDS_CHROMIUM


@pytest.mark.parametrize("name", [ODD[0], ODD[2], ODD[4], ODD[6], " "])
def test_an_odd_name_is_only_a_name(odd: HistoryStore, browser: Browser, name: str) -> None:
    """A job named as markup, at length, or from the right is shown by its name, and runs nothing."""
    found = look_at(odd)
    job = urlencode({"job": name, "project": "<b>shop</b>", "stage": "\u202eproduction"})
    with (
        served(lambda: found) as url,
        opened(browser, url, viewport={"width": 360, "height": 900}) as page,
    ):
        page.goto(f"{url}/?token={TOKEN}")
        is_fine(page)
        page.goto(f"{url}/job?{job}")
        shown = printable(name if name.strip() else f"“{name}”")
        assert page.inner_text("h1") == (shown if len(shown) < 200 else f"{shown[:160]}…")
        if len(shown) > 200:
            page.click(".heading summary")
            assert shown in page.inner_text(".heading")
        is_fine(page)
        page.select_option("#status", "ok")
        page.click("form.filter button")
        page.wait_for_url("**status=ok**")
        assert page.locator("h1, .runs .outcome.ok").count() > 10
        page.click(".runs tbody a")
        page.wait_for_url("**/run?**")
        is_fine(page)


def test_long_words_leave_room_on_a_phone(tmp_path: Path, browser: Browser) -> None:
    """Of what is 1 KiB long, a phone shows the beginning, and all of it at a touch; the state is seen at once."""
    made = Made(time.time_ns())
    name, kind, host = ("n" * 1024, "E" * 1024, "h" * 1024)
    job = JobId(name, "p" * 1024, "s" * 1024)
    uuid = made.run(job, 60, 2.0, "error", error_type=kind, host=host)
    made.write(tmp_path / "state")
    store = store_in(tmp_path / "state")
    phone: Any = {"viewport": {"width": 360, "height": 800}, "java_script_enabled": False}
    with served(lambda: look_at(store)) as home, opened(browser, home, **phone) as page:

        def end(selector: str) -> float:
            box = page.locator(selector).first.bounding_box()
            assert box is not None
            return box["y"] + box["height"]

        page.goto(f"{home}/?token={TOKEN}")
        assert end(".jobs tbody tr") < 700
        page.click(".jobs tbody a")
        assert end(".findings") < 800
        page.click(".findings summary")
        assert kind in page.inner_text(".findings")
        assert kind not in page.locator(".said").last.inner_text()
        page.goto(f"{home}/run?uuid={uuid}")
        assert end(".heading") < 400
        page.click(".facts summary")
        assert host in page.inner_text(".facts")


def test_odd_words_come_back_as_they_were_sent(odd: HistoryStore, browser: Browser) -> None:
    """A form sends what is chosen or typed in it, not the escapes that show it."""
    found = look_at(odd)
    job = replace(found.overview.jobs[0], job=JobId("one", "\u06cc\u200c\u0627", "\x1b[0m"))
    look = replace(found, overview=replace(found.overview, jobs=(*found.overview.jobs, job)))
    with served(lambda: look) as url, opened(browser, url) as page:
        page.goto(f"{url}/?token={TOKEN}")
        page.select_option("#project", job.job.project)
        page.select_option("#stage", job.job.stage)
        page.fill("#q", "\u200d")
        page.click("form.filter button")
        page.wait_for_url("**project=**")
        assert [page.input_value(each) for each in ("#project", "#stage", "#q")] == [*job.job[1:], "\u200d"]
        page.fill("#q", "one")
        page.click("form.filter button")
        page.wait_for_url("**q=one**")
        assert page.locator("tbody tr").count() == 1
