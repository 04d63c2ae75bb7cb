"""A site over a store that a test has made, without a network."""

import queue
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from starlette.testclient import TestClient

from otel_job_measure.clock import SystemClock
from otel_job_measure.errors import StoreError
from otel_job_measure.insight import overview
from otel_job_measure.insight.look import look
from otel_job_measure.insight.run_store import RunStore
from otel_job_measure.settings.secret import Secret
from otel_job_measure.web.hosts import Hosts
from otel_job_measure.web.key import Key
from otel_job_measure.web.look import Look
from otel_job_measure.web.server import Server, listening, prepared
from otel_job_measure.web.site import Patience, Site

TOKEN: Final = "0123456789abcdefghij"
HERE: Final = "http://127.0.0.1:8765"
WEEK_NS: Final = 7 * 86_400 * 10**9


def look_at(store: RunStore) -> Look:
    """Takes one look at a history that is complete."""
    found = look(store, complete_until_ns=SystemClock().wall_ns())
    jobs = overview.jobs(store, found, since_ns=found.at_ns - WEEK_NS)
    return Look(store=store, found=found, overview=jobs, lacks="")


def no_store() -> Look:
    """Fails as a store that is away."""
    raise StoreError("InfluxDB at influx.example does not answer")


def site_of(looks: Callable[[], Look], patience: Patience | None = None) -> Site:
    """Returns a site that is not started."""
    return Site(looks, Key(Secret(TOKEN), 8765), Hosts(address="127.0.0.1"), patience=patience)


class _Server(Server):
    """Runs in a thread, where no signal comes."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextmanager
def served(looks: Callable[[], Look], port: int = 0) -> Generator[str]:
    """A site that a real server serves, in this process, on a free port if none is given; its address."""
    site = site_of(looks)
    listener = listening("127.0.0.1", port)
    servers: queue.Queue[Server] = queue.Queue()

    def serve() -> None:  # Playwright has an event loop in the thread of the test
        server = _Server(prepared(site.app, site.stop).config, site.stop)
        servers.put(server)
        server.serve_on(listener)

    thread = threading.Thread(target=serve)
    thread.start()
    server = servers.get()
    site.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.end()
        thread.join()
        listener.close()


@contextmanager
def visited(looks: Callable[[], Look], most_s: float = 60.0) -> Generator[TestClient]:
    """A browser that has the cookie of a site that looks; each page has its status, however long it takes."""
    site = site_of(looks, Patience(at_once_s=60.0, most_s=most_s))
    with TestClient(site.app, base_url=HERE, follow_redirects=False) as client:
        site.start()
        try:
            assert client.get(f"/?token={TOKEN}").status_code == 303
            yield client
        finally:
            site.stop()
