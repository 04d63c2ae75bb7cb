"""The server on a real socket."""

import asyncio
import http.client
import threading
from dataclasses import replace
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


async def heard(host: str, port: int, cookie: str, until: bytes) -> bytes:
    """Returns what a browser hears until an event comes."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET /live HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    try:
        return await reader.readuntil(until)
    finally:
        writer.close()
        await writer.wait_closed()


def test_two_hundred_browsers_share_each_look(company: HistoryStore) -> None:
    """Each of them hears of each change, and the store is asked no more often than for one."""
    found = look_at(company)
    looks = 0
    all_listen = threading.Event()

    def each_look() -> Look:
        nonlocal looks
        looks += 1
        return found if looks == 1 or not all_listen.is_set() else replace(found, lacks="something")

    async def listen(host: str, port: int, cookie: str) -> list[bytes]:
        hears = [asyncio.ensure_future(heard(host, port, cookie, b"event: changed\n")) for _ in range(200)]
        async with asyncio.timeout(100):
            await heard(host, port, cookie, b"event: hello\n")
            all_listen.set()
            return await asyncio.gather(*hears)

    with served(each_look) as url:
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        said = asyncio.run(listen(place.hostname, place.port, cookie_of(url)))
    assert len(said) == 200
    assert all(b"event: hello\n" in each and b"text/event-stream" in each for each in said)
    assert looks < 20
