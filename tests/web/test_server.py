"""The server on a real socket."""

import http.client
import threading
from urllib.parse import urlsplit

from otel_job_measure.insight.history_store import HistoryStore
from otel_job_measure.web.look import Look
from tests.web.site import TOKEN, look_at, served


def cookie_of(url: str) -> str:
    """Returns the cookie that the token gets."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", f"/?token={TOKEN}")
    found = connection.getresponse().headers["set-cookie"].partition(";")[0]
    connection.close()
    return found


def test_the_head_comes_before_the_first_look_ends(company: HistoryStore) -> None:
    """Only the very first page waits for the store, and its head does not."""
    goes_on = threading.Event()

    def slow() -> Look:
        assert goes_on.wait(60)
        return look_at(company)

    with served(slow) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("GET", "/", headers={"Cookie": cookie_of(url)})
        response = connection.getresponse()
        head = response.read1(100_000).decode()
        assert "Looking through the runs" in head
        assert "</main>" not in head
        goes_on.set()
        rest = response.read().decode()
        connection.close()
    assert "nightly-backup" in rest
    assert rest.rstrip().endswith("</html>")
