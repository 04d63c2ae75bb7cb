"""Proxies of the standard variables, SOCKS, and a client certificate."""

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_job_measure import JobMeasure
from otel_job_measure.errors import SettingsError
from otel_job_measure.settings import Settings
from otel_job_measure.settings.environment import standard_proxy
from tests.support.uncovered import uncovered

_ALL = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _ALL:
        monkeypatch.delenv(name, raising=False)


class Listening:
    """A socket that keeps the first bytes of each connection, and answers none."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.got = b""
        self.has_got = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            connection, _ = self.socket.accept()
            self.got = connection.recv(4096)
            self.has_got.set()
            connection.close()
        except OSError:
            pass


@pytest.fixture
def proxy() -> Iterator[Listening]:
    """A proxy."""
    listening = Listening()
    yield listening
    listening.socket.close()


def sent(tmp_path: Path, url: str, **more: object) -> None:
    """Measures a run that is sent."""
    where = {"influxdb_url": url, "influxdb_token": "t", "influxdb_org": "o", "influxdb_bucket": "b"}
    if more.get("sink") == "otlp":
        where = {"otlp_endpoint": url}
    measure = JobMeasure(state_dir=tmp_path / "state", history=False, **where, **more)  # type: ignore[arg-type]
    with measure.run("nightly"):
        pass
    measure.close(5)


@pytest.mark.parametrize("sink", ["influxdb", "otlp"])
@pytest.mark.parametrize(
    ("variable", "scheme", "url", "first"),
    [
        ("HTTP_PROXY", "http", "http://influx.invalid:8086", b"POST http://influx.invalid:8086/"),
        ("http_proxy", "", "http://influx.invalid:8086", b"POST http://influx.invalid:8086/"),
        ("HTTPS_PROXY", "http", "https://influx.invalid:8086", b"CONNECT influx.invalid:8086"),
        ("ALL_PROXY", "socks5h", "http://influx.invalid:8086", b"\x05"),
    ],
)
def test_the_standard_variables_count_for_both_sinks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    proxy: Listening,
    sink: str,
    variable: str,
    scheme: str,
    url: str,
    first: bytes,
) -> None:
    """The server itself has no address here."""
    monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{proxy.port}" if scheme else f"127.0.0.1:{proxy.port}")
    sent(tmp_path, url, sink=sink)
    assert proxy.has_got.wait(30)
    assert proxy.got.startswith(first)


def test_ours_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: Listening) -> None:
    """Also if it is a SOCKS proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    sent(tmp_path, "http://influx.invalid:8086", proxy=f"socks5://127.0.0.1:{proxy.port}")
    assert Settings(proxy="socks5h://u:p@proxy").proxy == "socks5h://u:p@proxy"
    assert Settings.from_env({}, proxy="http://a:1").proxy_for("http://b") == "http://a:1"


@pytest.mark.parametrize(
    ("url", "excepted", "is_direct"),
    [
        ("http://10.1.2.3:8086", "10.0.0.0/8", True),
        ("http://11.1.2.3:8086", "10.0.0.0/8,x/y", False),
        ("http://influx.corp:8086", ".corp", True),
        ("http://influx.corp:8086", "influx.corp:8086", True),
        ("http://influx.corp:8086", "other.corp", False),
        ("http://influx.corp:8086", "*", True),
        ("http://[fd00::1]:8086", "fd00::/8", True),
        ("http://[fd00::1]:8086", "FD00:0::1", True),
        ("http://[fd00::1]:8086", "[fd00::1]:8086", True),
        ("http://[fd00::1]:8086", "[fd00::1]:9999", False),
        ("http://[::1]:8086", "::1", True),
        ("http://10.1.2.3:8086", "10.1.2.3", True),
        ("http://10.1.2.3:8086", "10.1.2", False),
        ("http://a.corp:8086", "corp", True),
        ("http://a.corp:8086", "*.corp", True),
        ("http://a.corp:8086", "x, CORP.", True),
        ("http://a.corp:8086", "x y a.corp", True),
        ("http://a.corp:8086", "x,*", True),
        ("http://a.corp", "a.corp:80", True),
        ("https://a.corp", "a.corp:443", True),
        ("http://a.corp:8086", "a.corp:80", False),
        ("http://a.corp:8086", "orp", False),
        ("http://a.corp:8086", ".,,/,:,[]:", False),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, url: str, excepted: str, *, is_direct: bool) -> None:
    """Names, suffixes, ports, networks, everything."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert (standard_proxy(url) is None) is is_direct


def test_other_spellings_of_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower case takes precedence, an empty one switches off; a web server's HTTP_PROXY is a header of its client."""
    for name, value in (("HTTPS_PROXY", "HTTP://proxy:1/"), ("HTTP_PROXY", " proxy:2 "), ("http_proxy", "proxy:3")):
        monkeypatch.setenv(name, value)
    assert (standard_proxy("https://a"), standard_proxy("http://a")) == ("http://proxy:1", "http://proxy:3")
    monkeypatch.delenv("http_proxy")
    assert standard_proxy("http://a") == "http://proxy:2"
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert standard_proxy("http://a") is None
    monkeypatch.delenv("REQUEST_METHOD")
    monkeypatch.setenv("http_proxy", "")
    assert standard_proxy("http://a") is None


@pytest.mark.parametrize("sink", ["influxdb", "otlp"])
def test_a_socks_proxy_without_its_library_holds_the_points(tmp_path: Path, sink: str) -> None:
    """The log has the `pip install` line, the job runs, and the points wait on disk; also with warnings as errors."""
    code = (
        "import logging, sys\nsys.modules['socks'] = None\n"
        "from otel_job_measure import JobMeasure\nlogging.basicConfig()\n"
        "where = dict(influxdb_url='http://i.invalid', influxdb_token='t', influxdb_org='o', influxdb_bucket='b')\n"
        f"if {sink!r} == 'otlp': where = dict(sink='otlp', otlp_endpoint='http://i.invalid:4318')\n"
        f"measure = JobMeasure(state_dir={str(tmp_path)!r}, history=False, proxy='socks5h://127.0.0.1:9', **where)\n"
        "with measure.run('nightly'): pass\nmeasure.close(5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=uncovered(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pip install pysocks" in done.stderr
    assert "Traceback" not in done.stderr
    assert any("scheduling-job-run," in file.read_text() for file in tmp_path.rglob("*.lp"))


def test_nonsense_in_a_standard_variable_is_told_and_unused(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is another program's variable; its password is not shown."""
    monkeypatch.setenv("HTTP_PROXY", "ftp://user:s3cr3t@proxy")
    with caplog.at_level(logging.WARNING):
        assert standard_proxy("http://influx") is None
    assert "s3cr3t" not in caplog.text


def test_a_client_certificate_comes_with_its_key(tmp_path: Path) -> None:
    """Both are files."""
    file = tmp_path / "client.pem"
    file.write_text("x")
    where = {"influxdb_url": "https://i", "influxdb_token": "t", "influxdb_org": "o", "influxdb_bucket": "b"}
    with pytest.raises(SettingsError, match="INFLUXDB_CLIENT_KEY"):
        Settings(**where, influxdb_client_certificate=file)  # type: ignore[arg-type]
    settings = Settings(**where, influxdb_client_certificate=file, influxdb_client_key=file)  # type: ignore[arg-type]
    assert settings.influxdb_client_key == file
