"""`otel-job-measure web`: the server as a process of its own."""

import http.client
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from otel_job_measure.journal.state_dir import StateDir
from tests.support.uncovered import uncovered

COMMAND: Final = (sys.executable, "-m", "otel_job_measure", "web")


@contextmanager
def started(*words: str, prepare: Callable[[], object] | None = None) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port, and the URL that it printed."""
    with subprocess.Popen(
        (*COMMAND, "--port", "0", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,  # noqa: PLW1509 - this process has no other thread that forks
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def get(url: str, cookie: str = "") -> tuple[int, str, str]:
    """Returns the status, the body and the cookie of an answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers.get("Set-Cookie", "").partition(";")[0]
    finally:
        connection.close()


def ended(process: "subprocess.Popen[str]", number: int) -> str:
    """Ends a server by a signal; returns what it wrote to stderr."""
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    return said


def test_the_printed_url_opens_the_page(state_dir: Path) -> None:
    """A state directory that is not there yet is shown as empty, and is not made; the log has no token."""
    with started() as (process, url):
        status, _, cookie = get(url)
        assert status == 303
        token = url.partition("token=")[2]
        base = url.partition("?")[0]
        status, html, _ = get(base, cookie)
        assert status == 200
        assert "No job has run yet" in html
        assert get(f"{base}?token=wrong-{token[:9]}")[0] == 403
        said = ended(process, signal.SIGINT)
    assert token[:9] not in said
    assert "Traceback" not in said
    assert not state_dir.exists()


def test_a_signal_ends_it_while_a_browser_listens() -> None:
    """An open stream of events holds nothing up."""
    with started() as (process, url):
        cookie = get(url)[2]
        netloc = urlsplit(url).netloc
        with socket.create_connection((netloc.partition(":")[0], int(netloc.partition(":")[2]))) as stream:
            stream.sendall(f"GET /live HTTP/1.1\r\nHost: {netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
            assert b"200 OK" in stream.recv(1000)
            ended(process, signal.SIGTERM)


def listens(url: str, cookie: str) -> socket.socket:
    """Returns a connection that has asked for the stream of events."""
    place = urlsplit(url)
    stream = socket.create_connection((place.hostname, place.port), timeout=60)
    stream.sendall(f"GET /live HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
    return stream


def test_more_browsers_than_files_are_told_so() -> None:
    """With few files, some streams are refused in words, and pages are still answered."""
    few = (256, 256)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (
        started(prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, few)) as (process, url),
        ExitStack() as stack,
    ):
        cookie = get(url)[2]
        streams = [stack.enter_context(listens(url, cookie)) for _ in range(200)]
        answers = [each.recv(1000).partition(b"\r\n")[0] for each in streams]
        assert set(answers) == {b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Service Unavailable"}
        assert answers.count(b"HTTP/1.1 200 OK") == 44
        assert get(url, cookie)[0] in {200, 303}
        assert ended(process, signal.SIGTERM).count("\n") == 1  # it says where the page is, and nothing else
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_a_damaged_history_is_said(state_dir: Path) -> None:
    """The page is not empty without a reason: it names the file that was set aside."""
    StateDir(state_dir).make()
    StateDir(state_dir).history.write_bytes(b"no database" * 1000)
    with started() as (process, url):
        html = get(url.partition("?")[0], get(url)[2])[1]
        assert "the history was damaged; the runs of before are in" in html
        assert "history.db.corrupt-" in html
        assert "No job has run yet" not in html
        ended(process, signal.SIGTERM)


def test_a_taken_port_is_one_clear_error() -> None:
    """It names the port, and says what else to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run((*COMMAND, "--port", str(port)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"otel-job-measure: cannot listen on http://127.0.0.1:{port}: --port {port} is taken; "
        "--port 0 takes a free one\n"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--address", "0.0.0.0"), "--address 0.0.0.0 needs --token-file"),  # noqa: S104 - it is refused
        (("--address", "::"), "--address :: needs --token-file"),
        (("--address", "jobs.example"), "is not an address"),
        (("--port", "65536"), "is not a number from 0 to 65535"),
        (("--port", "-1"), "is not a number from 0 to 65535"),
        (("--allow-host", "https://jobs.example/"), "is not a host's name; it takes jobs.example.com"),
        (("--allow-host", "jobs.example:8443"), "without a scheme and a port"),
        (("--allow-host", ""), "is not a host's name"),
    ],
)
def test_wrong_options_are_refused(words: tuple[str, ...], says: str) -> None:
    """Others must not reach the page without a token of their own."""
    done = subprocess.run((*COMMAND, *words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"", "its content is not shown"),
        (b"too-short", "its content is not shown"),
        (b"with a space and long enough", "its content is not shown"),
        (b"\xff" * 40, "its content is not shown"),
    ],
)
def test_a_token_file_needs_a_long_token(tmp_path: Path, content: bytes | None, says: str) -> None:
    """The error does not show what the file has."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    words = ("--port", "0", "--token-file", str(path))
    done = subprocess.run((*COMMAND, *words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert says in done.stderr
    assert "too-short" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_token_of_a_file_is_not_printed(tmp_path: Path) -> None:
    """It holds for the next start too."""
    path = tmp_path / "token"
    path.write_text("a-token-of-twenty-letters\n")
    path.chmod(0o600)
    with started("--token-file", str(path)) as (process, url):
        assert "token" not in url
        status, _, cookie = get(f"{url}?token=a-token-of-twenty-letters")
        assert status == 303
        assert get(url, cookie)[0] == 200
        assert "twenty" not in ended(process, signal.SIGINT)


def test_a_missing_library_is_said_with_what_installs_it(tmp_path: Path) -> None:
    """`pip install` without the extra is no error of the other commands."""
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError('gone', name='starlette')\n")
    env = {**uncovered(), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 1
    assert done.stderr == "otel-job-measure: `web` needs the module starlette: pip install 'otel-job-measure[web]'\n"
