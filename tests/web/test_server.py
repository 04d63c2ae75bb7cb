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


class _Browser:
    """A browser that listens to what the server pushes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def opened(cls, host: str, port: int, cookie: str) -> "_Browser":
        """Returns one that has asked for the stream."""
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /live HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
        return cls(reader, writer)

    async def hears(self, event: str) -> bytes:
        """Returns what it hears until an event comes."""
        return await self._reader.readuntil(f"event: {event}\n".encode())

    async def close(self) -> None:
        """Leaves."""
        self._writer.close()
        await self._writer.wait_closed()


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
        async with asyncio.timeout(100):
            browsers = await asyncio.gather(*(_Browser.opened(host, port, cookie) for _ in range(200)))
            heads = await asyncio.gather(*(each.hears("hello") for each in browsers))
            all_listen.set()
            await asyncio.gather(*(each.hears("changed") for each in browsers))
            await asyncio.gather(*(each.close() for each in browsers))
            return heads

    with served(each_look) as url:
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        said = asyncio.run(listen(place.hostname, place.port, cookie_of(url)))
    assert len(said) == 200
    assert all(b"text/event-stream" in each for each in said)
    assert looks < 20
