"""The page behind a proxy that has it in a folder, as docs/web.md describes it."""

import http.client
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from otel_job_measure.insight.history_store import HistoryStore
from tests.cli.test_web import started
from tests.web.browsing import opened
from tests.web.conftest import NEEDS_CHROMIUM
from tests.web.site import TOKEN, look_at, served

FOLDER: Final = "/tools/jobs"
NAME: Final = "jobs.example"


@contextmanager
def proxied(url: str, host: str | None = None) -> Generator[str]:
    """A proxy that takes the folder's name away; it passes its own name for the server on, as nginx does, or `host`."""
    behind = urlsplit(url).netloc

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{FOLDER}/"):
                self.send_error(404)
                return
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}
            }
            forwarded = {"Host": host or behind, "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.1"}
            connection = http.client.HTTPConnection(behind)
            connection.request("GET", self.path.removeprefix(FOLDER), headers=headers | forwarded)
            answer = connection.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "date", "server"}:
                    self.send_header(name, value)
            self.end_headers()
            while data := answer.read1(65_536):
                self.wfile.write(data)
            connection.close()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the library
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{FOLDER}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def status_of(url: str) -> int:
    """Returns the status of an address."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", f"{urlsplit(url).path}?{urlsplit(url).query}")
    found = connection.getresponse().status
    connection.close()
    return found


@NEEDS_CHROMIUM
def test_a_browser_goes_through_a_proxy_with_a_folder(company: HistoryStore, browser: Browser) -> None:
    """The cookie, the styles, the links and what is pushed work there, and nothing is asked for beside the folder."""
    with served(lambda: look_at(company)) as url, proxied(url) as home, opened(browser, home) as page:
        page.goto(f"{home}?token={TOKEN}")
        assert page.url == home
        page.locator(".live", has_text="live").wait_for()
        page.get_by_role("link", name="nightly-backup").click()
        page.get_by_role("heading", name="nightly-backup").wait_for()
        assert page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") == "6px"
        page.locator(".runs a").first.click()
        page.get_by_role("heading", name=re.compile("^Run ")).wait_for()
        page.get_by_role("link", name="All jobs").click()
        page.get_by_role("heading", name="Jobs").wait_for()
        assert page.url == home


@pytest.mark.parametrize(("words", "status"), [((), 421), (("--allow-host", NAME), 303)])
def test_the_browsers_host_is_taken_only_if_it_is_named(words: tuple[str, ...], status: int) -> None:
    """A proxy may pass it on if `--allow-host` has it; what it says of forwarding changes nothing."""
    with started(*words) as (_, url), proxied(url, NAME) as home:
        assert status_of(f"{home}?{urlsplit(url).query}") == status
