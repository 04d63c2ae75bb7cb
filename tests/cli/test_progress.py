"""A command that takes over a second says on a terminal's stderr that it works."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import pytest

from tests.support.exec_ import COMMAND, Terminal, run
from tests.support.uncovered import uncovered

COMMANDS: Final = (
    ["jobs"],
    ["runs"],
    ["runs", "--follow"],
    ["show", "abc"],
    ["report"],
    ["report", "--json"],
    ["check", "--timeout", "60s"],
    ["expected"],
)


class Slow:
    """A server that answers nothing until it is let go."""

    def __init__(self) -> None:
        self.go_on = go_on = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                go_on.wait(60)
                self.send_response(503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET  # noqa: N815 - the base class's name

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()


@pytest.fixture
def slow() -> Iterator[Slow]:
    """One for each test."""
    found = Slow()
    yield found
    found.go_on.set()
    found.server.shutdown()
    found.server.server_close()
    found.thread.join()


def _environment(slow: Slow) -> dict[str, str]:
    url = f"http://127.0.0.1:{slow.server.server_address[1]}"
    where = {"URL": url, "TOKEN": "t", "ORG": "o", "BUCKET": "b"}
    return uncovered() | {f"INFLUXDB_{name}": value for name, value in where.items()} | {"TERM": "xterm"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_person_sees_that_it_works(words: list[str], slow: Slow) -> None:
    """The line goes when the answer comes."""
    terminal = Terminal([*COMMAND, *words, "--from", "influxdb"], _environment(slow))
    assert b"\x1b[K" in terminal.until(b": 1 s")
    slow.go_on.set()
    terminal.until(b"\x1b[K")
    assert terminal.process.wait(60) in {1, 3}
    terminal.hang_up()


def test_a_program_sees_only_the_error(slow: Slow) -> None:
    """No line of progress goes into a log."""
    threading.Timer(1.5, slow.go_on.set).start()
    done = run([*COMMAND, "jobs", "--from", "influxdb"], environment=_environment(slow))
    assert b"503" in done.stderr
    assert b"\x1b" not in done.stderr
    assert done.stderr.count(b"\n") == 1
